// Node.js: http server, worker_threads, child_process, fs, net, crypto, zlib, timers.
// sentinel: as=root,nobody timeout=90s
const http = require('http'), net = require('net'), fs = require('fs'), os = require('os'), path = require('path'), crypto = require('crypto'), zlib = require('zlib'), dns = require('dns'), dgram = require('dgram')
const cp = require('child_process'), { Worker, isMainThread, parentPort, workerData } = require('worker_threads'), { promisify } = require('util'), { pipeline } = require('stream/promises'), { once } = require('events')

if (!isMainThread) {
  const shared = new Int32Array(workerData.shared)
  for (let i = 0; i < 10000; i++) Atomics.add(shared, 0, 1)
  parentPort.postMessage(workerData.n ** 2)
} else if (process.argv[2] === 'child') {
  process.on('message', m => { process.send({ back: m.text.toUpperCase() }); process.disconnect() })
} else main().catch(e => { console.log('failed', e); process.exitCode = 1 })

async function main () {
  const server = http.createServer((req, res) => {
    if (req.method === 'POST') return req.pipe(res)
    res.setHeader('Content-Type', 'text/plain'); res.end('hello ' + req.url)
  })
  server.listen(0, '127.0.0.1'); await once(server, 'listening')
  const url = `http://127.0.0.1:${server.address().port}`
  console.log(await (await fetch(url + '/x')).text())
  console.log((await Promise.all([...Array(30).keys()].map(i => fetch(url + '/' + i).then(r => r.text())))).length)
  const big = 'x'.repeat(500000)
  console.log((await (await fetch(url, { method: 'POST', body: big })).text()) === big)
  const port = server.address().port; server.closeAllConnections(); server.close(); await once(server, 'close')
  const refused = net.connect(port, '127.0.0.1'); console.log((await once(refused, 'connect').catch(e => [e]))[0].code)

  const shared = new SharedArrayBuffer(4)
  const answers = await Promise.all([1, 2, 3, 4].map(n => once(new Worker(__filename, { workerData: { n, shared } }), 'message').then(m => m[0])))
  console.log(answers, new Int32Array(shared)[0])

  console.log(cp.execSync('echo sync').toString(), cp.spawnSync('sh', ['-c', 'cat; exit 3'], { input: 'in' }).status)
  const child = cp.fork(__filename, ['child']); child.send({ text: 'ipc' }); console.log((await once(child, 'message'))[0]); console.log(await once(child, 'exit'))
  const sleeper = cp.spawn('sleep', ['30']); sleeper.kill('SIGTERM'); console.log(await once(sleeper, 'exit'))
  const missing = cp.spawn('/no/such'); console.log((await once(missing, 'error').catch(e => [e]))[0].code)
  await promisify(cp.exec)('exit 5').catch(e => console.log(e.code))

  fs.mkdirSync('a/b', { recursive: true }); fs.writeFileSync('a/f', 'data'); fs.appendFileSync('a/f', '+'); fs.symlinkSync('f', 'a/s'); fs.copyFileSync('a/f', 'a/b/g')
  console.log(fs.readdirSync('a', { recursive: true }).sort(), fs.readFileSync('a/s', 'utf8'), fs.statSync('a/f').size, fs.lstatSync('a/s').isSymbolicLink(), fs.realpathSync('a/s') === path.resolve('a/f'))
  fs.renameSync('a/f', 'a/h'); fs.truncateSync('a/h', 2); fs.chmodSync('a/h', 0o600); console.log(fs.statSync('a/h').mode.toString(8), fs.existsSync('a/s')); fs.rmSync('a', { recursive: true })
  for (const bad of ['/no/such', '/etc', '']) { try { fs.readFileSync(bad) } catch (e) { console.log(e.code) } }
  await pipeline(fs.createReadStream('/dev/zero', { end: 999999 }), zlib.createGzip(), fs.createWriteStream('z.gz')); console.log(zlib.gunzipSync(fs.readFileSync('z.gz')).length)
  const watched = new Promise(resolve => { const w = fs.watch('.', (kind, name) => { if (name === 'new') { w.close(); resolve(kind) } }) }); fs.writeFileSync('new', ''); console.log('watch', await watched)
  await Promise.all([...Array(20).keys()].map(i => fs.promises.writeFile('p' + i, String(i)))); console.log((await Promise.all([...Array(20).keys()].map(i => fs.promises.readFile('p' + i)))).join(''))

  const unix = net.createServer(s => s.pipe(s)).listen('sock'); const c = net.connect('sock'); c.write('echo'); console.log((await once(c, 'data'))[0].toString()); c.end(); unix.close()
  const u = dgram.createSocket('udp4'); u.bind(0, '127.0.0.1'); await once(u, 'listening'); u.send('udp', u.address().port, '127.0.0.1'); console.log((await once(u, 'message'))[0].toString()); u.close()
  console.log((await dns.promises.lookup('localhost', 4)).address)
  console.log(crypto.createHash('sha256').update('x').digest('hex').slice(0, 8), crypto.randomBytes(8).length, (await promisify(crypto.scrypt)('p', 's', 16)).toString('hex'))
  const { privateKey, publicKey } = crypto.generateKeyPairSync('ed25519'); console.log(crypto.verify(null, Buffer.from('m'), publicKey, crypto.sign(null, Buffer.from('m'), privateKey)))
  process.on('SIGUSR2', () => console.log('sigusr2')); process.kill(process.pid, 'SIGUSR2'); await new Promise(resolve => setTimeout(resolve, 50))
  let ticks = 0; await new Promise(resolve => { const t = setInterval(() => { if (++ticks === 10) { clearInterval(t); resolve() } }, 2) }); console.log(ticks)
  console.log(os.platform(), os.EOL === '\n', os.cpus().length > 0, os.totalmem() > 0, os.userInfo().uid === process.getuid(), process.memoryUsage().rss > 0, process.hrtime.bigint() > 0n)
  console.log([...Array(300000).keys()].reduce((a, b) => a + b), new Intl.NumberFormat('en').format(1234567.891)); global.gc && global.gc()
  console.error('to stderr'); await new Promise(resolve => setImmediate(resolve)); process.on('exit', code => console.log('exit', code))
}
