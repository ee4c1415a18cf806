import { access } from 'node:fs/promises'

/** Whether something is at a path that can be seen; a link that leads nowhere is nothing. */
export const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )
