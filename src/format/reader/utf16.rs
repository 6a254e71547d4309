//! Turns UTF-16 into UTF-8 as it comes.

/// A decoder of UTF-16, known by its byte order mark.
#[derive(Debug)]
pub(super) struct Utf16 {
    is_big_endian: bool,
    /// The first byte of a unit whose second has not come.
    half: Option<u8>,
    /// The first unit of a pair.
    high: Option<u16>,
}

impl Utf16 {
    /// The decoder of a text that begins with these bytes, which are its byte order mark.
    pub(super) fn detect(start: &[u8]) -> Option<Utf16> {
        let is_big_endian = match start {
            [0xFF, 0xFE, ..] => false,
            [0xFE, 0xFF, ..] => true,
            _ => return None,
        };
        Some(Utf16 { is_big_endian, half: None, high: None })
    }

    /// Decodes bytes. A lone surrogate becomes U+FFFD.
    pub(super) fn decode(&mut self, bytes: &[u8]) -> String {
        let mut text = String::with_capacity(bytes.len());
        for &byte in bytes {
            let Some(first) = self.half.take() else {
                self.half = Some(byte);
                continue;
            };
            let pair = [first, byte];
            let unit = if self.is_big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) };
            let units = [self.high.take(), Some(unit)].into_iter().flatten();
            if (0xD800..0xDC00).contains(&unit) {
                // Its other half comes next; one before it is alone.
                text.extend(units.clone().take(units.count() - 1).map(|_| char::REPLACEMENT_CHARACTER));
                self.high = Some(unit);
            } else {
                text.extend(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_through_in_any_pieces() {
        let text = "a ü 👍🏽 日本";
        for big in [false, true] {
            let unit = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
            let bytes: Vec<u8> = text.encode_utf16().flat_map(unit).collect();
            let mark = unit(0xFEFF);
            for step in 1..5 {
                let mut decoder = Utf16::detect(&mark).expect("a mark");
                let decoded: String = bytes.chunks(step).map(|piece| decoder.decode(piece)).collect();
                assert_eq!(decoded, text);
            }
        }
        let mut decoder = Utf16::detect(&[0xFF, 0xFE]).expect("a mark");
        assert_eq!(decoder.decode(&[0x3D, 0xD8, 0x3D, 0xD8, b'a', 0]), "\u{fffd}\u{fffd}a");
        assert!(Utf16::detect(b"{}").is_none());
    }
}
