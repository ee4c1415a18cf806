/** A file or option of the gateway that cannot be used; the message says where and what to do. */
export class GatewayConfigError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'GatewayConfigError'
  }
}
