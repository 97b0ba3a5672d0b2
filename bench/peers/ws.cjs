// Echo and broadcast on npm's ws. Run: NODE_PATH=.../node_modules node ws.cjs PORT
const { WebSocket, WebSocketServer } = require("ws");

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(process.argv[2]),
  perMessageDeflate: false,
  maxPayload: 64 << 20,
});
const everyone = new Set();

// ws switches TCP_NODELAY on by itself.
server.on("connection", (socket, request) => {
  socket.on("error", () => {});
  if (request.url === "/broadcast") {
    everyone.add(socket);
    socket.on("close", () => everyone.delete(socket));
    socket.on("message", (data, binary) => {
      for (const other of everyone) {
        if (other.readyState === WebSocket.OPEN) other.send(data, { binary });
      }
    });
  } else {
    socket.on("message", (data, binary) => socket.send(data, { binary }));
  }
});
