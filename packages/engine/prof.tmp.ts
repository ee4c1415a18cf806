import * as P from '@nacre/protocol'
import * as E from '@nacre/engine'
const hash = await E.createFastHash(), kernels = await E.createKernels()
const model = await E.loadModel('/work/main/models/nacre-small/model.safetensors', hash)
const eng = E.createUnitEngine({ model, kernels, hash })
const task = { promptTokens: Array.from({ length: 64 }, (_, j) => (j * 37) % 256), maxNewTokens: 24, decoding: { temperatureMilli: 0, seed: new Uint8Array(32), stopAtEos: false } }
const t = eng.generate(task)
const med = (n: number, w: () => void) => { const c = process.threadCpuUsage(); for (let i = 0; i < n; i++) w(); const d = process.threadCpuUsage(c); return ((d.user + d.system) / 1000 / n).toFixed(2) }
med(20, () => eng.replayUnit(task, t.tokens))
console.log('replay', med(60, () => eng.replayUnit(task, t.tokens)), 'commit', med(60, () => P.commitTrace(t, hash)), 'generate', med(60, () => eng.generate(task)))
const input = { task, modelParams: { noiseRank: 32, tileRows: 16, tileColumns: 32 }, parentBeacon: new Uint8Array(32), unitId: new Uint8Array(32), minerKey: new Uint8Array(32) }
console.log('unit', med(60, () => eng.runUnit(input)))
