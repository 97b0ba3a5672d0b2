// An echo server on npm's ws. Run: node echo.cjs [PORT]. Without PORT it takes a free port. It prints the
// port, and exits when its standard input ends.
const { WebSocketServer } = require("ws");

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2] ?? 0) });
server.on("listening", () => console.log(server.address().port));
server.on("connection", (socket) => {
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  // A client has broken a rule: ws closes by itself, but without a listener it would end the program.
  socket.on("error", () => {});
});
process.stdin.on("end", () => process.exit()).resume();
