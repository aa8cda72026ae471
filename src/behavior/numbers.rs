//! Which of things that are counted from 1: `7`, `5..10`, `101..`, `every 100`.

use crate::units::{UnitError, parse_count};

const HINT: &str = "write 7, 5..10, 101.., every 100, or every 100 from 50";

/// Some of the whole numbers from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// From the first to the last, both among them.
    Range(u64, u64),
    /// Every `step`th, from `first` on.
    Every { step: u64, first: u64 },
}

impl Numbers {
    /// Reads them.
    ///
    /// # Errors
    /// When it is none of the forms above, or names no number from 1.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        let text = text.trim();
        let positive = |text: &str| match parse_count(text.trim())? {
            0 => {
                Err(UnitError { message: "0 where counting begins at 1".into(), hint: HINT.into() })
            }
            number => Ok(number),
        };
        if let Some(rest) = text.strip_prefix("every ") {
            let (step, first) = match rest.split_once(" from ") {
                Some((step, first)) => (positive(step)?, positive(first)?),
                None => (positive(rest)?, positive(rest)?),
            };
            return Ok(Self::Every { step, first });
        }
        let (first, last) = match text.split_once("..") {
            None => (positive(text)?, positive(text)?),
            Some((first, "")) => (positive(first)?, u64::MAX),
            Some((first, last)) => (positive(first)?, positive(last)?),
        };
        if first > last {
            let message = format!("range `{text}` runs backwards");
            return Err(UnitError { message, hint: HINT.into() });
        }
        Ok(Self::Range(first, last))
    }

    /// Whether `number` is one of them.
    #[must_use]
    pub fn contains(self, number: u64) -> bool {
        match self {
            Self::Range(first, last) => (first..=last).contains(&number),
            Self::Every { step, first } => {
                number.checked_sub(first).is_some_and(|past| past.is_multiple_of(step))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_has_its_numbers() {
        let first_ten = |text: &str| {
            let numbers = Numbers::parse(text).unwrap();
            (1..=10).filter(|number| numbers.contains(*number)).collect::<Vec<_>>()
        };
        assert_eq!(first_ten("7"), [7]);
        assert_eq!(first_ten("2..4"), [2, 3, 4]);
        assert_eq!(first_ten("8.."), [8, 9, 10]);
        assert_eq!(first_ten("every 3"), [3, 6, 9]);
        assert_eq!(first_ten("every 4 from 1"), [1, 5, 9]);
        for bad in ["", "0", "every", "every 0", "4..2", "..3", "x", "1..0", "-1"] {
            assert!(Numbers::parse(bad).is_err(), "{bad:?}");
        }
    }
}
