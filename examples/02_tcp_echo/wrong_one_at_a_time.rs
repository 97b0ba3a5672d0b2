//! Wrong, for chapter 02: an echo server without threads. The second client waits until the first
//! has left.
//!
//! Run: cargo run --example wrong_02_one_at_a_time
//! See: ben is connected, but he gets his echo only after ana has left.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);

// ANCHOR: serve
fn accept_all(listener: &TcpListener) -> io::Result<()> {
    loop {
        let (socket, _) = listener.accept()?;
        echo(&socket)?; // returns when this client has left
    }
}
// ANCHOR_END: serve

fn echo(mut socket: &TcpStream) -> io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut buffer = [0; 4096];
    loop {
        let count = socket.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        socket.write_all(&buffer[..count])?;
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let server = listener.local_addr()?;
    thread::spawn(move || accept_all(&listener));

    let ana = TcpStream::connect(server)?;
    println!("ana connects");
    let mut ben = TcpStream::connect(server)?;
    println!("ben connects");
    ben.write_all(b"Hello")?;
    println!("ben says \"Hello\"");

    let mut answer = [0; 5];
    ben.set_read_timeout(Some(Duration::from_millis(500)))?;
    if ben.read_exact(&mut answer).is_ok() {
        return Ok(());
    }
    println!("ben hears nothing for 500 ms");
    drop(ana);
    println!("ana leaves");
    ben.set_read_timeout(Some(PATIENCE))?;
    ben.read_exact(&mut answer)?;
    println!("ben hears {:?}", String::from_utf8_lossy(&answer));
    Err("ben was answered only after ana had left".into())
}
