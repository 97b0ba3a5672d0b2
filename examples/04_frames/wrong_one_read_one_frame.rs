//! Wrong, for chapter 04: an echo server that believes one `read` gives one frame.
//!
//! Run: `cargo run --example wrong_04_one_read_one_frame`
//! See: of two frames only the first comes back. Chapter 04 says why.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use chalkwire::protocol::{Frame, Opcode};

/// Runs an echo server that believes one read gives one frame.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration (this program always does)
    #[argh(switch)]
    #[expect(dead_code, reason = "every example takes this flag")]
    once: bool,
}

/// How long the client waits for an echo.
const PATIENCE: Duration = Duration::from_millis(500);
/// The masking key of the RFC's examples.
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

// ANCHOR: serve
/// Echoes frames over bare TCP. There is no handshake here, because the mistake comes after it.
fn serve(mut socket: TcpStream) -> io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE * 10))?;
    let mut bytes = [0; 4096];
    loop {
        let count = socket.read(&mut bytes)?;
        // Wrong: the bytes behind the first frame are thrown away.
        let Some((frame, _)) = Frame::decode(&bytes[..count]) else { return Ok(()) };
        socket.write_all(&Frame::new(frame.header.opcode, None, &frame.payload).encode())?;
    }
}
// ANCHOR_END: serve

fn main() -> ExitCode {
    let Err(error) = run() else { return ExitCode::SUCCESS };
    eprintln!("{error}");
    ExitCode::FAILURE
}

fn run() -> Result<(), Box<dyn Error>> {
    let flags: Flags = argh::from_env();
    let listener = TcpListener::bind(&flags.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let address = listener.local_addr()?;
    println!("listening at {address}");
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            thread::spawn(|| serve(socket).ok());
        }
    });

    let mut client = TcpStream::connect(address)?;
    client.set_read_timeout(Some(PATIENCE))?;
    let texts = ["one", "two"];
    let frames = texts.map(|text| Frame::new(Opcode::Text, Some(KEY), text.as_bytes()).encode());
    client.write_all(&frames.concat())?;
    println!("sent two frames in one write");
    for text in texts {
        let mut echo = [0; 5];
        let ms = PATIENCE.as_millis();
        client.read_exact(&mut echo).map_err(|_| format!("no echo of {text:?} in {ms} ms"))?;
        println!("got an echo of {:?}", String::from_utf8_lossy(&echo[2..]));
    }
    Ok(())
}
