//! Which instance this machine is, as its firmware or the first start wrote it down. Nobody is asked.

use std::path::Path;

use crate::read;

/// What the firmware says, on machines of the Nitro system; and what cloud-init kept, which a copied disk may still hold.
const PLACES: [&str; 2] = ["sys/devices/virtual/dmi/id/board_asset_tag", "var/lib/cloud/data/instance-id"];

/// There are 8 or 17. What is longer than is read of a file must not look like an id.
const MOST_DIGITS: usize = 32;
const MOST: usize = 64;

/// `None` on a machine that is no instance.
pub(crate) fn instance(root: &Path, buffer: &mut Vec<u8>) -> Option<String> {
    PLACES.iter().find_map(|place| {
        let text = read::text(&root.join(place), MOST, buffer).ok()?;
        let text = text.trim();
        is_id(text).then(|| text.to_owned())
    })
}

/// Other machines have a tag too: `Not Specified`, or a number on a sticker.
fn is_id(text: &str) -> bool {
    let digits = text.strip_prefix("i-").unwrap_or_default();
    (1..=MOST_DIGITS).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_firmware_is_believed_first() {
        let check = |firmware: Option<&[u8]>, cloud: Option<&[u8]>, expect: Option<&str>| {
            let root = tempfile::tempdir().unwrap();
            for (place, text) in PLACES.iter().zip([firmware, cloud]) {
                let file = root.path().join(place);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                if let Some(text) = text {
                    std::fs::write(file, text).unwrap();
                }
            }
            assert_eq!(instance(root.path(), &mut Vec::new()).as_deref(), expect, "{firmware:?} {cloud:?}");
        };
        let id = Some("i-0123456789abcdef0");
        check(None, None, None);
        check(Some(b"i-0123456789abcdef0\n"), Some(b"i-0aaaaaaaaaaaaaaaa\n"), id);
        check(Some(b"Not Specified\n"), Some(b"i-0123456789abcdef0"), id);
        check(None, Some(b"  i-0123456789abcdef0 \n"), id);
        check(Some(b"i-1234abcd"), None, Some("i-1234abcd"));
        check(Some(b""), Some(b"nocloud\n"), None);
        check(Some(b"0123456789abcdef0\n"), None, None);
        check(Some(b"i-\n"), Some(b"i-0123 4567\n"), None);
        check(Some(b"i-0old\n"), Some(b"xi-0123\n"), None);
        check(Some(&[0xff, 0xfe, b'i', b'-', b'0']), Some(&[b'i'; 5000]), None);
        check(Some(&[&b"i-"[..], &[b'a'; 5000]].concat()), None, None);
    }

    #[test]
    fn a_folder_in_its_place_is_none() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join(PLACES[0])).unwrap();
        assert_eq!(instance(root.path(), &mut Vec::new()), None);
    }
}
