//! Where the core's own log lines go: to the crate `log` on a host, to `defmt` on a board, or nowhere.
//!
//! A line's text is written for both: plain `{}` only, arguments that both can print.

#[cfg(all(feature = "log", feature = "defmt"))]
compile_error!("the features `log` and `defmt` exclude each other: log lines go to one place");

/// What an operator wants to see.
macro_rules! info {
    ($($part:tt)+) => {{
        #[cfg(feature = "log")]
        log::info!($($part)+);
        #[cfg(feature = "defmt")]
        defmt::info!($($part)+);
        #[cfg(not(any(feature = "log", feature = "defmt")))]
        let _ = core::format_args!($($part)+);
    }};
}

/// What is worth a line but nobody's attention.
macro_rules! debug {
    ($($part:tt)+) => {{
        #[cfg(feature = "log")]
        log::debug!($($part)+);
        #[cfg(feature = "defmt")]
        defmt::debug!($($part)+);
        #[cfg(not(any(feature = "log", feature = "defmt")))]
        let _ = core::format_args!($($part)+);
    }};
}
