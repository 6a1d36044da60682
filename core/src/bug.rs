//! [`bug!`](crate::bug!): what cannot happen, and is loud where it does.

/// Says that what cannot happen has happened: a debug build panics with the text, so that simulator and fuzzer see it; a
/// release build goes on behind the call, which must stand for something harmless, and may count it.
///
/// ```
/// # fn fits(text: &str) -> usize {
/// # let mut counted = 0;
/// let mut name = heapless::String::<8>::new();
/// if name.push_str(text).is_err() {
///     r2_core::bug!("the text has at most 8 bytes");
///     counted += 1;
/// }
/// # counted
/// # }
/// # assert_eq!(fits("fits"), 0);
/// ```
#[macro_export]
macro_rules! bug {
    ($($text:tt)+) => {
        // Nothing of it is left in a release build: the image that may not panic links without.
        ::core::debug_assert!(false, $($text)+)
    };
}

/// The value, or what stands for it when there is none, which cannot happen.
pub trait OrBug<T> {
    /// The value. A debug build panics with `why` where there is none; a release build goes on with the default.
    fn or_bug(self, why: &str) -> T;
}

impl<T: Default> OrBug<T> for Option<T> {
    #[inline]
    #[cfg_attr(debug_assertions, track_caller)]
    fn or_bug(self, why: &str) -> T {
        debug_assert!(self.is_some(), "{why}");
        self.unwrap_or_default()
    }
}

impl<T: Default, E> OrBug<T> for Result<T, E> {
    #[inline]
    #[cfg_attr(debug_assertions, track_caller)]
    fn or_bug(self, why: &str) -> T {
        debug_assert!(self.is_ok(), "{why}");
        self.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    #[test]
    fn a_bug_is_loud_in_a_debug_build_and_goes_on_in_release() {
        let went_on = catch_unwind(|| {
            bug!("a text, and {}", 1);
            true
        });
        assert_eq!(went_on.is_ok(), cfg!(not(debug_assertions)));
        let nothing = catch_unwind(|| None::<usize>.or_bug("there is one"));
        assert_eq!(nothing.ok(), cfg!(not(debug_assertions)).then_some(0));
        let error = catch_unwind(|| Err::<usize, ()>(()).or_bug("it fits"));
        assert_eq!(error.ok(), cfg!(not(debug_assertions)).then_some(0));
    }

    #[test]
    fn what_is_there_is_given() {
        assert_eq!(Some(7).or_bug("there is one"), 7);
        assert_eq!(Ok::<_, ()>(7).or_bug("it fits"), 7);
    }
}
