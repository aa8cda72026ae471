//! The known word that the user may have meant.

/// The one of `known` that is nearest to `word`, where one is near enough to be meant.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A long word may be as long as a file; only its beginning can resemble a name.
    let word: String = word.chars().take(64).collect::<String>().to_lowercase();
    let length = word.chars().count();
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&word, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= (length / 3).max(1) && *distance < length)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// A hint that names the nearest of `known`; `otherwise` where none is near.
pub(super) fn hint_nearest<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
    otherwise: &str,
) -> String {
    match nearest(word, known) {
        Some(name) => format!("did you mean `{name}`?"),
        None => otherwise.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_other_words_are_not() {
        let known = ["transaction", "repeat", "pause", "end"];
        let check = |word, want| assert_eq!(nearest(word, known), want, "{word}");
        check("transacton", Some("transaction"));
        check("repaet", Some("repeat"));
        check("edn", Some("end"));
        check("Pause", Some("pause"));
        check("loop", None);
        check("x", None);
        check("", None);
        check(&"e".repeat(10_000), None);
    }
}
