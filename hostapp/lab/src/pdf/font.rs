//! The fonts that every reader of PDF has, and how wide their characters are.

use pdf_writer::Name;

/// A font of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Font {
    Text,
    Bold,
    Mono,
}

impl Font {
    pub(super) const ALL: [Self; 3] = [Self::Text, Self::Bold, Self::Mono];

    /// What a page calls it.
    pub(super) const fn name(self) -> Name<'static> {
        match self {
            Self::Text => Name(b"F1"),
            Self::Bold => Name(b"F2"),
            Self::Mono => Name(b"F3"),
        }
    }

    /// What a reader knows it by (ISO 32000-1, 9.6.2.2).
    pub(super) const fn base(self) -> Name<'static> {
        match self {
            Self::Text => Name(b"Helvetica"),
            Self::Bold => Name(b"Helvetica-Bold"),
            Self::Mono => Name(b"Courier"),
        }
    }

    /// How wide a text is in points; bold, at most.
    pub(super) fn width(self, text: &str, size: f32) -> f32 {
        let thousandths: f32 = text.chars().map(|character| self.width_of(character)).sum();
        thousandths / 1000.0 * size
    }

    fn width_of(self, character: char) -> f32 {
        let place = usize::try_from(u32::from(character))
            .ok()
            .and_then(|code| code.checked_sub(32));
        let helvetica = place
            .and_then(|place| HELVETICA.get(place))
            .copied()
            .unwrap_or(556);
        match self {
            Self::Text => f32::from(helvetica),
            Self::Bold => f32::from(helvetica) * 1.1,
            Self::Mono => 600.0,
        }
    }
}

/// Adobe's metrics of Helvetica for the characters of ASCII, from the space on, in thousandths of the size.
const HELVETICA: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, // space to /
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, // 0 to ?
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, // @ to O
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, // P to _
    333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, // ` to o
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584, // p to ~
];
