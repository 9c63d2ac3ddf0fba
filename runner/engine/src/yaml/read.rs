//! From bytes to a source: what is too large or not text is refused before anything looks inside.

use crate::diagnostic::{Code, Diagnostic};
use crate::source::Source;

/// In bytes. A runbook of a thousand steps is about half as long.
pub const LARGEST: usize = 256 << 10;

/// Takes the file's bytes under the name it is shown by. A byte-order mark at the start is dropped.
pub fn read(name: &str, bytes: &[u8]) -> Result<Source, Diagnostic> {
    let nowhere = Source::new(name, "");
    if bytes.len() > LARGEST {
        let message = format!("the file is {} bytes long; at most {LARGEST} are read", bytes.len());
        let help = "check the path, and keep data in files of its own";
        return Err(Diagnostic::error(Code::FileTooLarge, message).of(&nowhere).help(help));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Source::new(name, text.strip_prefix('\u{feff}').unwrap_or(text))),
        Err(error) => Err(not_utf8(nowhere, bytes, error.valid_up_to())),
    }
}

fn not_utf8(nowhere: Source, bytes: &[u8], at: usize) -> Diagnostic {
    let before = bytes.get(..at).unwrap_or_default();
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let byte = bytes.get(at).copied().unwrap_or(0);
    let message = format!("line {line} holds a byte that is not UTF-8 text (0x{byte:02x}, {at} bytes into the file)");
    Diagnostic::error(Code::NotUtf8, message).of(&nowhere).help("save the file as UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_text_and_refuses_the_rest() {
        assert_eq!(read("a", "\u{feff}a: 1".as_bytes()).unwrap().text(), "a: 1");
        let error = read("a", b"a: 1\nb: \xff\n").unwrap_err();
        assert_eq!(error.code, Code::NotUtf8);
        assert!(error.message.starts_with("line 2 ") && error.message.contains("0xff"), "{}", error.message);
        assert_eq!(read("a", &vec![b'a'; LARGEST + 1]).unwrap_err().code, Code::FileTooLarge);
        assert!(read("a", &vec![b'a'; LARGEST]).is_ok());
    }
}
