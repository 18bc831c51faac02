// A client as browsers have it. Takes its orders as one line of JSON, `{url, token, transports,
// query}`, and then one line `{event, payload}` for each call; writes one line of JSON for
// whatever happens. Ends when its standard input ends.
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const tell = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

const { url, token, transports, query } = JSON.parse((await lines.next()).value);
const socket = io(url, { auth: { token }, transports, query, reconnectionDelay: 100 });
socket.on("connect", () => tell({ connected: socket.io.engine.transport.name }));
socket.io.engine.on("upgrade", (transport) => tell({ upgraded: transport.name }));
socket.on("connect_error", (error) => tell({ refused: error.message, data: error.data }));
socket.on("disconnect", (reason) => tell({ disconnected: reason }));
socket.onAny((event, payload) => tell({ event, payload }));

for (let line = await lines.next(); !line.done; line = await lines.next()) {
  const { event, payload } = JSON.parse(line.value);
  tell({ answer: await socket.emitWithAck(event, payload) });
}
socket.disconnect();
