import { AccountAgent, type Want } from '@nacre/node'

/** Signs receipts for blocks of its own, and sends none. */
export class WithholdingAgent extends AccountAgent {
  override want(want: Want): boolean {
    return want.key.startsWith('receipt/') || super.want(want)
  }
}
