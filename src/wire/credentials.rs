//! Hides what a head must not show to others: credentials, and this program's own secrets.
//!
//! Every head passes through [`HeadView::of`](super::HeadView::of), and that function calls this file. So the
//! page, the terminal and all that is recorded from them get the same shortened lines.

use percent_encoding::percent_decode_str;

use crate::text::count;

/// Whether heads show the values of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credentials {
    /// Only their length.
    Hidden,
    /// Their bytes, which helps a teacher who is alone at the machine: `--show-credentials`.
    Shown,
}

/// The meaning of a header line with a credential that is hidden.
pub const HIDDEN_MEANING: &str = "a credential; --show-credentials shows it";

/// The parameters of a query that are secrets of this program: of a tab, and of the teacher.
const SECRET_PARAMETERS: [&str; 2] = ["tab", "teacher"];

/// Cookies of which the names are shown. The rest of the line is hidden as a whole, because the words in the place of a
/// cookie of one byte are much longer than the cookie.
const MAX_PAIRS: usize = 50;

/// How the value of a header is built, if it is a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// `Cookie`: pairs of a name and a value, with semicolons between them.
    Cookies,
    /// `Set-Cookie`: one such pair, and attributes that everybody may see.
    SetCookie,
    /// `Authorization` and `Proxy-Authorization`: a scheme, and behind it the credential.
    Scheme,
}

impl CredentialKind {
    /// The kind of the header with this name, which is in lower case. `None` if it does not carry a credential.
    pub fn of_header(name: &str) -> Option<CredentialKind> {
        match name {
            "cookie" => Some(CredentialKind::Cookies),
            "set-cookie" => Some(CredentialKind::SetCookie),
            "authorization" | "proxy-authorization" => Some(CredentialKind::Scheme),
            _ => None,
        }
    }

    /// The value of such a header, with the lengths of its secret parts in their place.
    pub fn hide(self, value: &str) -> String {
        match self {
            CredentialKind::Cookies => {
                let pairs = value.splitn(MAX_PAIRS, ';').map(hide_pair);
                pairs.collect::<Vec<_>>().join(";")
            }
            CredentialKind::SetCookie => {
                let (pair, attributes) = value.split_at(value.find(';').unwrap_or(value.len()));
                hide_pair(pair) + attributes
            }
            CredentialKind::Scheme => {
                let trimmed = value.trim_start();
                let space = &value[..value.len() - trimmed.len()];
                match trimmed.trim_end().split_once(' ') {
                    Some((scheme, rest)) => format!("{space}{scheme} {}", hidden(rest.trim())),
                    // Without a scheme the whole value may be the credential.
                    None => format!("{space}{}", hidden(trimmed.trim_end())),
                }
            }
        }
    }
}

/// Hides the value of `name=value`, or the whole text if it does not have a name or if it is the rest of the pairs.
fn hide_pair(pair: &str) -> String {
    let trimmed = pair.trim_start();
    let space = &pair[..pair.len() - trimmed.len()];
    match trimmed.trim_end().split_once('=') {
        Some((name, value)) if !trimmed.contains(';') => {
            format!("{space}{name}={}", hidden(value))
        }
        _ if trimmed.is_empty() => space.to_owned(),
        _ => format!("{space}{}", hidden(trimmed.trim_end())),
    }
}

/// What is shown in the place of a credential.
fn hidden(credential: &str) -> String {
    format!("({}, hidden)", count(credential.len() as u64, "byte"))
}

/// Hides the values of this program's own secrets in the queries of all URLs in a line: the request line, `Referer`, and
/// whatever else has a URL in it.
pub fn hide_secrets(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut in_query = false;
    for piece in line.split_inclusive(['?', '&', '#', ' ']) {
        let (parameter, delimiter) = match piece.char_indices().next_back() {
            Some((at, '?' | '&' | '#' | ' ')) => piece.split_at(at),
            _ => (piece, ""),
        };
        match parameter.split_once('=') {
            Some((name, _)) if in_query && is_secret(name) => {
                shown.push_str(name);
                shown.push_str("=(hidden)");
            }
            _ => shown.push_str(parameter),
        }
        shown.push_str(delimiter);
        in_query = matches!(delimiter, "?" | "&");
    }
    shown
}

/// Whether the server takes the value of a parameter of this name for a secret. It decodes the name, so this does too.
fn is_secret(name: &str) -> bool {
    let decoded = percent_decode_str(name).collect::<Vec<u8>>();
    SECRET_PARAMETERS.iter().any(|secret| secret.as_bytes() == decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hide(name: &str, value: &str) -> String {
        CredentialKind::of_header(name).expect("a credential").hide(value)
    }

    #[test]
    fn a_credential_keeps_its_name_and_shows_its_length() {
        let cookies = " session=0123456789abcdef01234567; theme=dark";
        assert_eq!(hide("cookie", cookies), " session=(24 bytes, hidden); theme=(4 bytes, hidden)");
        assert_eq!(hide("cookie", " a=b=c; nameless;"), " a=(3 bytes, hidden); (8 bytes, hidden);");
        assert_eq!(
            hide("set-cookie", " id=x; Path=/; HttpOnly"),
            " id=(1 byte, hidden); Path=/; HttpOnly"
        );
        let basic = " Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";
        assert_eq!(hide("authorization", basic), " Basic (28 bytes, hidden)");
        assert_eq!(hide("proxy-authorization", " token "), " (5 bytes, hidden)");
        assert_eq!(hide("authorization", ""), "(0 bytes, hidden)");
        assert_eq!(CredentialKind::of_header("host"), None);
    }

    #[test]
    fn a_line_of_many_small_cookies_does_not_grow_without_end() {
        let shown = hide("cookie", &"s;".repeat(8000));
        assert!(shown.ends_with(";(15902 bytes, hidden)") && shown.len() < 1000, "{shown}");
        assert!(hide("cookie", &"a=s;".repeat(60)).ends_with(";(44 bytes, hidden)"));
    }

    #[test]
    fn the_secrets_of_this_program_are_hidden_in_every_query() {
        for (line, expected) in [
            ("GET /echo?tab=5ec HTTP/1.1", "GET /echo?tab=(hidden) HTTP/1.1"),
            ("GET /?x=1&teacher=5ec&y=2", "GET /?x=1&teacher=(hidden)&y=2"),
            ("GET /?tab=5ec&tab=5ed HTTP", "GET /?tab=(hidden)&tab=(hidden) HTTP"),
            ("Referer: http://a/?teacher=5ec#/echo", "Referer: http://a/?teacher=(hidden)#/echo"),
            ("X: /?next=/y?tab=5ec", "X: /?next=/y?tab=(hidden)"),
            // The server would accept this name too.
            ("GET /?t%61b=5ec", "GET /?t%61b=(hidden)"),
            // These are not parameters that the server takes for a secret.
            ("GET /tab=1?table=2&TAB=3&x#tab=4", "GET /tab=1?table=2&TAB=3&x#tab=4"),
            ("X: tab=1", "X: tab=1"),
        ] {
            assert_eq!(hide_secrets(line), expected);
        }
    }
}
