//! The opening handshake (RFC 6455 section 4.2): the request and the response.

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, HEXLOWER};
use sha1::{Digest, Sha1};

use super::Mistake;
use super::connection::{Connection, End};

const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const MAX_HEAD: usize = 16 * 1024;

/// A request's header lines.
struct Headers {
    lines: Vec<(String, String)>,
    names_are_case_sensitive: bool,
}

impl Headers {
    /// The values of all headers with this name.
    fn all(&self, wanted: &str) -> Vec<&str> {
        let is_wanted = |name: &str| {
            if self.names_are_case_sensitive {
                name == wanted
            } else {
                name.eq_ignore_ascii_case(wanted)
            }
        };
        let lines = self.lines.iter().filter(|(name, _)| is_wanted(name));
        lines.map(|(_, value)| value.as_str()).collect()
    }

    /// The value, if exactly one header has this name.
    fn only(&self, wanted: &str) -> Option<&str> {
        let [value] = self.all(wanted)[..] else { return None };
        Some(value)
    }

    /// Whether the header has the wanted token. A header may be a list of tokens, in upper or lower case.
    fn have_token(&self, name: &str, wanted: &str) -> bool {
        let values = self.all(name);
        let mut tokens = values.iter().flat_map(|value| value.split(','));
        tokens.any(|token| token.trim().eq_ignore_ascii_case(wanted))
    }
}

impl Connection {
    /// Reads the request, and sends the response with status 101.
    pub fn shake_hands(&mut self) -> Result<(), End> {
        let head = self.read_head()?;
        let mut lines = head.split("\r\n");
        let request_line = lines.next().unwrap_or_default();
        let headers = self.headers(lines)?;

        let [method, _path, version] = request_line.split(' ').collect::<Vec<_>>()[..] else {
            return refuse("400 Bad Request", "", "The first line is not METHOD PATH HTTP/1.1.");
        };
        if version != "HTTP/1.1" && !self.makes(Mistake::Http10Accepted) {
            return refuse("400 Bad Request", "", "A WebSocket begins with HTTP/1.1.");
        }
        if method != "GET" && !self.makes(Mistake::PostAccepted) {
            return refuse(
                "405 Method Not Allowed",
                "Allow: GET\r\n",
                "A WebSocket begins with GET.",
            );
        }
        if headers.only("Host").is_none() && !self.makes(Mistake::HostNotRequired) {
            return refuse("400 Bad Request", "", "There must be one Host.");
        }
        let upgrade_is_asked_for = if self.makes(Mistake::UpgradeComparedCaseSensitively) {
            headers.only("Upgrade") == Some("websocket")
        } else {
            headers.have_token("Upgrade", "websocket")
        };
        if !upgrade_is_asked_for && !self.makes(Mistake::UpgradeNotRequired) {
            let more = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
            return refuse("426 Upgrade Required", more, "This is a WebSocket server.");
        }
        let connection_is_upgrade = if self.makes(Mistake::ConnectionListRefused) {
            headers.only("Connection").is_some_and(|value| value.eq_ignore_ascii_case("upgrade"))
        } else {
            headers.have_token("Connection", "upgrade")
        };
        if !connection_is_upgrade && !self.makes(Mistake::ConnectionNotRequired) {
            return refuse("400 Bad Request", "", "There must be Connection: Upgrade.");
        }
        let version = headers.only("Sec-WebSocket-Version");
        if version != Some("13") && !self.makes(Mistake::AnyVersionAccepted) {
            let told = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";
            let more = if self.makes(Mistake::VersionNotTold) { "" } else { told };
            return refuse("426 Upgrade Required", more, "This server speaks version 13.");
        }
        let key = match headers.only("Sec-WebSocket-Key") {
            Some(key) if is_16_bytes(key) || self.makes(Mistake::KeyNotChecked) => key,
            None if self.makes(Mistake::KeyNotRequired) => "",
            _ => return refuse("400 Bad Request", "", "There must be one key, 16 bytes long."),
        };
        let answer = self.answer(key, &headers);
        self.write(answer.as_bytes())
    }

    /// Reads up to the blank line. The bytes after it belong to the first frame.
    fn read_head(&mut self) -> Result<String, End> {
        let end = loop {
            if let Some(end) = self.unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end;
            }
            if self.unread.len() > MAX_HEAD {
                return refuse(
                    "431 Request Header Fields Too Large",
                    "",
                    "That is a long request.",
                );
            }
            self.receive()?;
        };
        let head = self.unread.drain(..end + 4).take(end).collect();
        if self.makes(Mistake::FrameGluedToRequestLost) {
            self.unread.clear();
        }
        match String::from_utf8(head) {
            Ok(head) => Ok(head),
            Err(_) => refuse("400 Bad Request", "", "That is not text."),
        }
    }

    fn headers<'a>(&self, lines: impl Iterator<Item = &'a str>) -> Result<Headers, End> {
        let mut headers = Headers {
            lines: Vec::new(),
            names_are_case_sensitive: self.makes(Mistake::HeaderNamesComparedCaseSensitively),
        };
        for line in lines {
            let (name, value) = line.split_once(':').unwrap_or_default();
            let is_token = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
            let is_text = !value.contains(|c: char| c.is_control() && c != '\t');
            if !is_token || !is_text {
                return refuse("400 Bad Request", "", "A line is not NAME: VALUE.");
            }
            headers.lines.push((name.to_owned(), value.trim().to_owned()));
        }
        Ok(headers)
    }

    fn answer(&self, key: &str, headers: &Headers) -> String {
        let mut answer = String::from("HTTP/1.1 101 Switching Protocols\r\n");
        if self.makes(Mistake::StatusIs200) {
            answer = String::from("HTTP/1.1 200 OK\r\n");
        }
        if !self.makes(Mistake::UpgradeMissingInAnswer) {
            answer += "Upgrade: websocket\r\n";
        }
        if !self.makes(Mistake::ConnectionMissingInAnswer) {
            answer += "Connection: Upgrade\r\n";
        }
        if !self.makes(Mistake::AcceptMissing) {
            answer += &format!("Sec-WebSocket-Accept: {}\r\n", self.accept_value(key));
        }
        if self.makes(Mistake::ExtensionEchoed) {
            for offer in headers.all("Sec-WebSocket-Extensions") {
                answer += &format!("Sec-WebSocket-Extensions: {offer}\r\n");
            }
        }
        if self.makes(Mistake::SubprotocolNotOffered) {
            // The student copied the example in RFC 6455 section 1.2.
            answer += "Sec-WebSocket-Protocol: chat\r\n";
        }
        if !self.makes(Mistake::BlankLineMissing) {
            answer += "\r\n";
        }
        if self.makes(Mistake::LinesEndWithLf) {
            answer = answer.replace("\r\n", "\n");
        }
        answer
    }

    fn accept_value(&self, key: &str) -> String {
        if self.makes(Mistake::KeyEchoed) {
            return key.to_owned();
        }
        let mut sha1 = Sha1::new();
        if self.makes(Mistake::GuidBeforeKey) {
            sha1.update(GUID);
        }
        if self.makes(Mistake::KeyDecodedFirst) {
            sha1.update(decode(key));
        } else {
            sha1.update(key);
        }
        if self.makes(Mistake::KeyNotTrimmed) {
            // The student forgot that read_line leaves the line end.
            sha1.update("\r\n");
        }
        if self.makes(Mistake::GuidInLowerCase) {
            sha1.update(GUID.to_ascii_lowercase());
        } else if !self.makes(Mistake::GuidForgotten) && !self.makes(Mistake::GuidBeforeKey) {
            sha1.update(GUID);
        }
        let digest = sha1.finalize();
        match self.mistake() {
            Some(Mistake::AcceptIsHex) => HEXLOWER.encode(&digest),
            Some(Mistake::AcceptIsBase64OfHex) => {
                BASE64.encode(HEXLOWER.encode(&digest).as_bytes())
            }
            Some(Mistake::AcceptIsUrlSafe) => BASE64URL.encode(&digest),
            Some(Mistake::AcceptWithoutPadding) => BASE64_NOPAD.encode(&digest),
            _ => BASE64.encode(&digest),
        }
    }
}

/// Whether the key has the form of 16 bytes in base64. It is not decoded, because a strict decoder refuses the
/// last bits of the RFC's own example in section 4.1.
fn is_16_bytes(key: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    key.strip_suffix("==").is_some_and(|digits| digits.len() == 22 && digits.bytes().all(is_digit))
}

/// Decodes the key. Used only by `Mistake::KeyDecodedFirst`.
fn decode(key: &str) -> Vec<u8> {
    let mut forgiving = BASE64.specification();
    forgiving.check_trailing_bits = false;
    let forgiving = forgiving.encoding().expect("base64 all the same");
    forgiving.decode(key.as_bytes()).unwrap_or_default()
}

fn refuse<T>(status: &str, headers: &str, why: &str) -> Result<T, End> {
    let length = why.len() + 1;
    Err(End::Refused(format!(
        "HTTP/1.1 {status}\r\n{headers}Connection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{why}\n"
    )))
}
