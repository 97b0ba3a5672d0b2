//! `chalkwire explain`: takes apart the bytes that somebody types, with the code of the wire view.

use std::io::{BufWriter, IsTerminal, Read, Write};

use argh::FromArgs;
use chalkwire::protocol::AcceptKey;
use chalkwire::protocol::{Frame, Opcode};
use chalkwire::wire::explain::{bytes_in, explain, looks_like_head, masking_key_in};
use chalkwire::wire::terminal;

use crate::output::print;

/// Take frames, a request or a key apart, as the wire view does.
#[derive(FromArgs)]
#[argh(subcommand, name = "explain")]
pub struct Explain {
    /// bytes in hex: frames, or a request head; none reads them from standard input
    #[argh(positional, arg_name = "hex")]
    hex: Vec<String>,

    /// show how the answer to this Sec-WebSocket-Key is made
    #[argh(option, arg_name = "key")]
    key: Option<String>,

    /// show the frames of this text
    #[argh(option, arg_name = "text")]
    text: Option<String>,

    /// with --text: mask with this key, four bytes in hex
    #[argh(option, arg_name = "hex")]
    mask: Option<String>,

    /// with --text: text, binary, ping, pong or close (default text)
    #[argh(option, from_str_fn(opcode), arg_name = "opcode")]
    opcode: Option<Opcode>,

    /// with --text: cut the message into so many frames (default 1)
    #[argh(option, arg_name = "n")]
    fragments: Option<usize>,
}

fn opcode(text: &str) -> Result<Opcode, String> {
    match text {
        "text" => Ok(Opcode::Text),
        "binary" => Ok(Opcode::Binary),
        "ping" => Ok(Opcode::Ping),
        "pong" => Ok(Opcode::Pong),
        "close" => Ok(Opcode::Close),
        _ => Err("it is text, binary, ping, pong or close".to_owned()),
    }
}

/// The keys that end the input.
const END_OF_INPUT: &str = if cfg!(windows) { "Ctrl-Z and Enter" } else { "Enter and Ctrl-D" };

/// The most bytes that are read from standard input.
const MOST_INPUT: u64 = 16 * 1024 * 1024;

impl Explain {
    /// Checks that the arguments go together.
    ///
    /// # Errors
    /// A sentence that says which do not.
    fn check(&self) -> Result<(), String> {
        let what = [!self.hex.is_empty(), self.key.is_some(), self.text.is_some()];
        if what.iter().filter(|given| **given).count() > 1 {
            return Err("one thing at a time: hex, --key or --text".to_owned());
        }
        for (flag, given) in [
            ("--mask", self.mask.is_some()),
            ("--opcode", self.opcode.is_some()),
            ("--fragments", self.fragments.is_some()),
        ] {
            if given && self.text.is_none() {
                return Err(format!("{flag} needs --text: hex and --key are shown as they are"));
            }
        }
        Ok(())
    }

    /// Prints the explanation.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the input.
    pub fn run(&self) -> Result<(), String> {
        self.check()?;
        if let Some(key) = &self.key {
            print(&(terminal::accept_lines(&AcceptKey::of(key)).join("\n") + "\n"));
            return Ok(());
        }
        if let Some(text) = &self.text {
            return self.show_frames_of(text);
        }
        let bytes = if self.hex.is_empty() {
            if std::io::stdin().is_terminal() {
                let what = "Type or paste bytes in hex, or a request; then";
                let _ = writeln!(std::io::stderr(), "{what} {END_OF_INPUT}.");
            }
            let mut input = Vec::new();
            std::io::stdin()
                .take(MOST_INPUT)
                .read_to_end(&mut input)
                .map_err(|error| format!("cannot read standard input: {error}"))?;
            if looks_like_head(&input) {
                return show(&input);
            }
            let text = String::from_utf8(input).map_err(|error| {
                let at = error.utf8_error().valid_up_to() + 1;
                format!("expected two hex digits at position {at}, found a byte that is not text")
            })?;
            bytes_in(&text).map_err(|error| error.to_string())?
        } else {
            bytes_in(&self.hex.join(" ")).map_err(|error| error.to_string())?
        };
        show(&bytes)
    }

    fn show_frames_of(&self, text: &str) -> Result<(), String> {
        let key = self.mask.as_deref().map(masking_key_in).transpose();
        let key = key.map_err(|error| error.to_string())?;
        let opcode = self.opcode.unwrap_or(Opcode::Text);
        let parts = self.fragments.unwrap_or(1);
        if parts == 0 || parts > text.len().max(1) {
            return Err(format!("--fragments is 1 to {} for this text", text.len().max(1)));
        }
        if opcode.is_control() && parts > 1 {
            return Err(format!("a {opcode} must not be fragmented (RFC 6455 5.5)"));
        }
        let mut payload = text.as_bytes().to_vec();
        if opcode == Opcode::Close {
            payload.splice(0..0, 1000_u16.to_be_bytes());
        }
        if opcode.is_control() && payload.len() > 125 {
            let length = payload.len();
            return Err(format!("a {} has at most 125 bytes, not {length}", opcode));
        }
        let mut bytes = Vec::new();
        for part in 0..parts {
            let (from, to) = (part * payload.len() / parts, (part + 1) * payload.len() / parts);
            let opcode = if part == 0 { opcode } else { Opcode::Continuation };
            let mut frame = Frame::new(opcode, key, &payload[from..to]);
            frame.header.fin = part + 1 == parts;
            bytes.extend(frame.encode());
        }
        show(&bytes)
    }
}

/// Prints each event as soon as it is known. All together take hundreds of times the memory of the bytes.
fn show(bytes: &[u8]) -> Result<(), String> {
    let mut stdout = BufWriter::new(std::io::stdout().lock());
    let mut print = |event| {
        // The reader may have gone.
        let _ = stdout.write_all(terminal::full(&event).as_bytes());
    };
    explain(bytes, &mut print).map_err(|error| error.to_string())
}
