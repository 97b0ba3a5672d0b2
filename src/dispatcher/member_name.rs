//! Names in a classroom: which ones are allowed, and which ones look alike.
//!
//! The pupils trust a name on the screen, so two names in a room must not look the same. Unicode Technical
//! Standard 39 compares names by their *skeleton*: characters that look alike have the same one, so `Tea` in Latin
//! letters and `Теа` in Cyrillic ones are equal. Each is a good name where the other is not taken.

use unicode_normalization::UnicodeNormalization;
use unicode_security::confusable_detection::skeleton;

use crate::config::MAX_MEMBER_NAME;

/// Returns the name that a client asks for, without blanks at its ends.
///
/// # Errors
/// When the name is not allowed; the error is a sentence for the client.
pub(super) fn checked(name: &str) -> Result<&str, String> {
    let name = name.trim();
    if name.is_empty() || is_too_long(name) {
        return Err(format!("a name has 1 to {MAX_MEMBER_NAME} characters"));
    }
    if name.contains(char::is_control) {
        return Err("a name has no control characters".to_owned());
    }
    if name.contains(is_invisible) {
        return Err(
            "a name has no invisible characters and none that change its direction".to_owned()
        );
    }
    if skeleton_of(name).is_empty() {
        return Err("a name has characters that can be seen".to_owned());
    }
    Ok(name)
}

/// Whether a name has more characters than any member's name may have.
pub(super) fn is_too_long(name: &str) -> bool {
    name.chars().nth(MAX_MEMBER_NAME).is_some()
}

/// The same text for all names that look like this one.
pub(super) fn skeleton_of(name: &str) -> String {
    // Compatibility forms first, so that full-width letters and ligatures equal the usual ones. Again after it,
    // because the skeleton of a character may have such a form itself.
    let usual: String = name.nfkc().collect();
    let similar: String = skeleton(&usual).nfkc().collect();
    similar.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a character has no shape of its own: zero-width characters, marks for the direction of the text, fillers,
/// variation selectors and tags. Unicode calls most of them default ignorable.
fn is_invisible(c: char) -> bool {
    // Marks for annotations (U+FFF9 to U+FFFB) and the empty Braille pattern are not in that list.
    matches!(c, '\u{fff9}'..='\u{fffb}' | '\u{2800}' | '\u{2028}' | '\u{2029}')
        || skeleton(c.encode_utf8(&mut [0; 4])).next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_scripts_are_allowed() {
        for name in [
            "Ana",
            " Ana ",
            "Теа",
            "Αννα",
            "李小龙",
            "علي",
            "प्रिया",
            "Zoë",
            "Ngọc",
            "O'Neil 2",
            "🦊",
        ] {
            assert_eq!(checked(name), Ok(name.trim()));
        }
    }

    #[test]
    fn a_name_has_only_characters_that_can_be_seen() {
        for name in [
            "Tea\u{200b}",         // zero-width space
            "T\u{200d}ea",         // zero-width joiner
            "\u{feff}Tea",         // byte order mark
            "T\u{202e}ae",         // right-to-left override
            "\u{2067}Tea\u{2069}", // right-to-left isolate
            "Te\u{ad}a",           // soft hyphen
            "\u{3164}",            // Hangul filler
            "\u{115f}",
            "Tea\u{fe0f}",  // variation selector
            "Tea\u{e0041}", // tag
            "\u{2800}",     // empty Braille pattern
            "Tea\u{fff9}",  // annotation
            "Tea\u{2028}x", // line separator
        ] {
            let error = checked(name).expect_err(&format!("{name:?} is refused"));
            assert!(error.contains("invisible"), "{error}");
        }
    }

    #[test]
    fn names_that_look_alike_have_the_same_skeleton() {
        for (name, like) in [
            ("Теа", "Tea"),    // Cyrillic
            ("Ｔｅａ", "Tea"), // full width
            ("𝐓𝐞𝐚", "Tea"),    // mathematical bold
            ("Te\u{430}", "Tea"),
            ("Zoe\u{308}", "Zoë"),
            ("Ana  B", "Ana\u{a0}B"),
            ("I1l", "lll"),
            ("rn", "m"),
        ] {
            assert_eq!(skeleton_of(name), skeleton_of(like), "{name:?} looks like {like:?}");
        }
        for (name, other) in [("Tea", "Téa"), ("Tea", "Thea"), ("Ana", "Ben"), ("李", "季")] {
            assert_ne!(skeleton_of(name), skeleton_of(other));
        }
    }

    #[test]
    fn a_name_that_looks_like_nothing_is_refused() {
        assert!(checked("   ").is_err());
        assert!(checked(&"x".repeat(MAX_MEMBER_NAME)).is_ok());
        assert!(checked(&"x".repeat(MAX_MEMBER_NAME + 1)).is_err());
    }
}
