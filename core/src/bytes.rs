//! Bytes from one slice to another.

/// Copies the front of `from` into the front of `to`, as much as both have, and returns how many bytes that is; 0 when
/// either is empty. What stands behind them in `to` stays.
#[inline]
pub fn copy(to: &mut [u8], from: &[u8]) -> usize {
    let count = to.len().min(from.len());
    if let (Some(to), Some(from)) = (to.get_mut(..count), from.get(..count)) {
        // They are equally long, so this is memcpy: nothing is left of its panic.
        to.copy_from_slice(from);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_is_copied_as_both_have_and_what_is_behind_stays() {
        for (to, from, expected) in [
            (&b"...."[..], &b"ab"[..], &b"ab.."[..]),
            (b"....", b"abcd", b"abcd"),
            (b"..", b"abcd", b"ab"),
            (b"..", b"", b".."),
            (b"", b"ab", b""),
            (b"", b"", b""),
        ] {
            let mut place = to.to_vec();
            assert_eq!(copy(&mut place, from), to.len().min(from.len()));
            assert_eq!(place, expected);
        }
    }
}
