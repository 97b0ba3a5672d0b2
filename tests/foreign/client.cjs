// A client made with npm's ws. It tests text, binary, Ping and Close. Run: node client.cjs ADDRESS
// It exits with 0 when the server has answered everything correctly.
const assert = require("node:assert");
const { WebSocket } = require("ws");

const LENGTHS = [0, 1, 125, 126, 127, 65535, 65536, 1 << 20, 16 << 20];

async function main(address) {
  const socket = new WebSocket(`ws://${address}/echo`, { maxPayload: 64 << 20 });
  const waiting = [];
  const come = [];
  const next = () => (come.length ? Promise.resolve(come.shift()) : new Promise((r) => waiting.push(r)));
  const put = (event) => (waiting.length ? waiting.shift()(event) : come.push(event));
  socket.on("message", (data, isBinary) => put({ data, isBinary }));
  socket.on("pong", (data) => put({ pong: data.toString() }));
  await new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
  assert.equal(socket.extensions, "");

  for (const length of LENGTHS) {
    socket.send("x".repeat(length));
    const text = await next();
    assert.equal(text.isBinary, false);
    assert.equal(text.data.toString(), "x".repeat(length));
    const bytes = Buffer.alloc(length, 0xfe);
    socket.send(bytes);
    const binary = await next();
    assert.equal(binary.isBinary, true);
    assert.ok(binary.data.equals(bytes));
  }
  socket.send("fragment 1, ", { fin: false });
  socket.send("片段 2", { fin: true });
  assert.equal((await next()).data.toString(), "fragment 1, 片段 2");
  socket.ping("are you there?");
  assert.deepEqual(await next(), { pong: "are you there?" });

  const closed = new Promise((r) => socket.on("close", (code, reason) => r([code, reason.toString()])));
  socket.close(4321, "done");
  assert.deepEqual(await closed, [4321, "done"]);
}

main(process.argv[2]).catch((error) => {
  console.error(error);
  process.exit(1);
});
