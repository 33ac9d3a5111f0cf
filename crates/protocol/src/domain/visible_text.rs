//! Which characters names, titles and addresses may contain: those that readers see.
//!
//! Format characters reverse the text around them, hide in it, or make two names look the same. The properties of
//! characters are those of Unicode; a character of a newer version than the library's counts as unassigned.

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{
        CanonicalCombiningClass, DefaultIgnorableCodePoint, ExtendedPictographic, GeneralCategory,
        JoiningType,
    },
};

use super::InvalidInput;

const ZERO_WIDTH_NON_JOINER: char = '\u{200c}';
const ZERO_WIDTH_JOINER: char = '\u{200d}';

/// Checks that a reader sees every character of a text. `noun` names the text, as in "name".
///
/// # Errors
/// It contains control characters, format characters, or characters that are private or not assigned. Exceptions are
/// joiners inside words and emoji, where the script needs them, and variation selectors after another character.
pub(super) fn check_visible(noun: &str, text: &str) -> Result<(), InvalidInput> {
    let mut before = None;
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if !is_visible(before, character, rest.clone().next()) {
            return Err(InvalidInput::new(format!(
                "The {noun} contains a character that is invisible or changes how others are shown (U+{:04X}). Remove it.",
                u32::from(character)
            )));
        }
        before = Some(character);
    }
    Ok(())
}

fn is_visible(before: Option<char>, character: char, after: Option<char>) -> bool {
    if character.is_ascii() {
        return !character.is_ascii_control();
    }
    match character {
        ZERO_WIDTH_NON_JOINER => before.is_some_and(|before| joins(before, after)),
        ZERO_WIDTH_JOINER => before.is_some_and(|before| {
            joins(before, after)
                || (is_part_of_emoji(before) && after.is_some_and(is_part_of_emoji))
        }),
        _ if is_variation_selector(character) => {
            before.is_some_and(|before| !before.is_whitespace() && !is_ignorable(before))
        }
        _ => !is_ignorable(character) && is_readable(character),
    }
}

/// Returns whether a joiner between two characters changes their shape: after a virama, or in a cursive script.
fn joins(before: char, after: Option<char>) -> bool {
    let joining = CodePointMapData::<JoiningType>::new();
    let is_cursive = |character| joining.get(character) != JoiningType::NonJoining;
    let class = CodePointMapData::<CanonicalCombiningClass>::new().get(before);
    class == CanonicalCombiningClass::Virama
        || (is_cursive(before) && after.is_some_and(is_cursive))
}

fn is_part_of_emoji(character: char) -> bool {
    let is_modifier = matches!(character, '\u{1f3fb}'..='\u{1f3ff}');
    is_modifier
        || is_variation_selector(character)
        || CodePointSetData::new::<ExtendedPictographic>().contains(character)
}

fn is_variation_selector(character: char) -> bool {
    matches!(character, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

fn is_ignorable(character: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
}

fn is_readable(character: char) -> bool {
    use GeneralCategory as Category;
    !matches!(
        CodePointMapData::<Category>::new().get(character),
        Category::Control
            | Category::Format
            | Category::LineSeparator
            | Category::ParagraphSeparator
            | Category::PrivateUse
            | Category::Surrogate
            | Category::Unassigned
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_all_scripts_are_visible() {
        for text in [
            "Ana María",
            "Zoë",
            "Zoe\u{308}",
            "李小龍",
            "葛\u{e0100}城",
            "Александр",
            "עברית",
            "محمد",
            "علی\u{200c}رضا",
            "क\u{94d}\u{200d}ष",
            "ශ\u{dca}\u{200d}රී",
            "👩\u{200d}👩\u{200d}👧",
            "👩🏽\u{200d}🚀",
            "❤\u{fe0f}\u{200d}🔥",
            "☺\u{fe0f}",
            "🇩🇪 Plan «A» – 50 %",
        ] {
            assert_eq!(check_visible("name", text), Ok(()), "{text:?}");
        }
    }

    #[test]
    fn characters_that_deceive_are_named() {
        for (text, code) in [
            ("a\u{7}b", "U+0007"),
            ("a\nb", "U+000A"),
            ("Alice\u{202e}", "U+202E"),
            ("\u{2066}Alice", "U+2066"),
            ("Al\u{200b}ice", "U+200B"),
            ("Al\u{200d}ice", "U+200D"),
            ("Al\u{200c}ice", "U+200C"),
            ("👩\u{200d}", "U+200D"),
            ("\u{200d}👩", "U+200D"),
            ("\u{feff}Alice", "U+FEFF"),
            ("Al\u{ad}ice", "U+00AD"),
            ("\u{fe0f}", "U+FE0F"),
            (" \u{fe0f}", "U+FE0F"),
            ("a\u{fe0f}\u{fe0f}", "U+FE0F"),
            ("\u{3164}", "U+3164"),
            ("\u{e0041}", "U+E0041"),
            ("a\u{2028}b", "U+2028"),
            ("a\u{e000}b", "U+E000"),
            ("a\u{fffe}b", "U+FFFE"),
            ("a\u{378}b", "U+0378"),
        ] {
            let error = check_visible("name", text).unwrap_err().to_string();
            assert!(error.contains(&format!("({code})")), "{text:?}: {error}");
        }
    }
}
