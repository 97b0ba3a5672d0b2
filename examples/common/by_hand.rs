//! A client that writes its frames by hand, always with the masking key of RFC 6455's examples.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use chalkwire::protocol::{Frame, Opcode};

/// How long the client waits for the server.
const DEADLINE: Duration = Duration::from_secs(5);
/// The masking key. A real client takes four new random bytes for each frame.
pub const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

// ANCHOR: by_hand
/// Lets tungstenite make the opening handshake, and takes the socket back.
pub fn connect(address: SocketAddr) -> Result<TcpStream, Box<dyn std::error::Error>> {
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(DEADLINE))?;
    let (websocket, _) = tungstenite::client(format!("ws://{address}/"), socket)?;
    Ok(websocket.into_inner())
}

/// Sends one frame. `fin` says whether it is the last frame of its message.
pub fn send(mut socket: &TcpStream, opcode: Opcode, fin: bool, payload: &[u8]) -> io::Result<()> {
    let mut frame = Frame::new(opcode, Some(KEY), payload);
    frame.header.fin = fin;
    show("->", &frame);
    socket.write_all(&frame.encode())
}

/// Waits until one frame is complete.
pub fn receive(mut socket: &TcpStream) -> io::Result<Frame> {
    let mut bytes = Vec::new();
    loop {
        if let Some((frame, _)) = Frame::decode(&bytes) {
            show("<-", &frame);
            return Ok(frame);
        }
        let mut next = [0];
        socket.read_exact(&mut next)?;
        bytes.extend(next);
    }
}
// ANCHOR_END: by_hand

/// Prints a frame's first bytes and what they mean.
fn show(arrow: &str, frame: &Frame) {
    let bytes = frame.encode();
    let mut hex: String = bytes.iter().take(11).map(|byte| format!("{byte:02x} ")).collect();
    hex += if bytes.len() > 11 { ".." } else { "" };
    let fin = if frame.header.fin { "" } else { " FIN 0" };
    let said = match (frame.header.opcode, frame.payload.as_slice()) {
        (Opcode::Close, []) => "no code".into(),
        (Opcode::Close, [high, low, reason @ ..]) => {
            let code = u16::from_be_bytes([*high, *low]);
            format!("{code} {}", String::from_utf8_lossy(reason)).into()
        }
        (Opcode::Binary, payload) => format!("{} bytes", payload.len()).into(),
        (_, payload) => String::from_utf8_lossy(payload),
    };
    println!("  {arrow} {hex:<36}{}{fin}: {}", frame.header.opcode, said.trim_end());
}
