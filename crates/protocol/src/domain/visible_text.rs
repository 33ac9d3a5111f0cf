//! Which characters names, titles and addresses may contain: those that readers see.
//!
//! Format characters reverse the text around them, hide in it, or make two names look the same. The properties of
//! characters are those of Unicode; a character of a newer version than the library's counts as unassigned.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{
        CanonicalCombiningClass, DefaultIgnorableCodePoint, Emoji, EmojiPresentation,
        ExtendedPictographic, GeneralCategory, Ideographic, JoiningType,
    },
};

use super::InvalidInput;

const ZERO_WIDTH_NON_JOINER: char = '\u{200c}';
const ZERO_WIDTH_JOINER: char = '\u{200d}';
const TEXT_STYLE: char = '\u{fe0e}';
const EMOJI_STYLE: char = '\u{fe0f}';
const ENCLOSING_KEYCAP: char = '\u{20e3}';
const BRAILLE_BLANK: char = '\u{2800}';

/// Characters that show nothing although Unicode counts them as letters, symbols or marks: a note without a head, a filler of
/// the Khitan script.
const BLANKS: [char; 2] = ['\u{1d159}', '\u{16fe4}'];

/// The most marks that may stand on one letter (Unicode Technical Standard 39, section 5.4). More reach into other lines.
const MAX_MARKS: usize = 4;

/// Returns a text of at most `max` characters in composed form (NFC). `None` if it has more.
pub(super) fn composed(text: &str, max: usize) -> Option<Cow<'_, str>> {
    // Keyboards write a letter and its marks in up to four characters.
    const PARTS: usize = 4;
    if text.chars().nth(max * PARTS).is_some() {
        return None;
    }
    let composed = ComposingNormalizerBorrowed::new_nfc().normalize(text);
    composed.chars().nth(max).is_none().then_some(composed)
}

/// Returns a text of one line in composed form (NFC), in which a reader sees every character. `noun` names the text, as in "title".
///
/// # Errors
/// It has more than `max` characters, control characters, which include line breaks, or characters that readers do not see.
pub(super) fn one_line<'t>(
    noun: &str,
    text: &'t str,
    max: usize,
) -> Result<Cow<'t, str>, InvalidInput> {
    let Some(text) = composed(text, max) else {
        return Err(InvalidInput::new(format!(
            "The {noun} is longer than {max} characters. Shorten it."
        )));
    };
    if text.chars().any(char::is_control) {
        return Err(InvalidInput::new(format!(
            "The {noun} contains a control character or a line break. Remove it."
        )));
    }
    check_visible(noun, &text)?;
    Ok(text)
}

/// Checks that a reader sees every character of a text. `noun` names the text, as in "name".
///
/// # Errors
/// It contains control characters, format characters, marks without a letter, or characters that are blank, private or not
/// assigned. Exceptions are joiners inside words and emoji, where the script needs them, and selectors of variants that look
/// different.
pub(super) fn check_visible(noun: &str, text: &str) -> Result<(), InvalidInput> {
    let characters: Vec<char> = text.chars().collect();
    for (index, character) in characters.iter().enumerate() {
        if !is_visible(&characters[..index], *character, &characters[index + 1..]) {
            return Err(InvalidInput::new(format!(
                "The {noun} contains a character that is invisible or changes how others are shown (U+{:04X}). Remove it.",
                u32::from(*character)
            )));
        }
    }
    Ok(())
}

/// Returns whether a reader sees a character that stands between these.
fn is_visible(before: &[char], character: char, after: &[char]) -> bool {
    if character.is_ascii() {
        return !character.is_ascii_control();
    }
    let is_before = |is: fn(char) -> bool| before.last().copied().is_some_and(is);
    let is_after = |is: fn(char) -> bool| after.first().copied().is_some_and(is);
    match character {
        ZERO_WIDTH_NON_JOINER => is_before(is_virama) || separates_letters(before, after),
        ZERO_WIDTH_JOINER => {
            is_before(is_virama) || (is_before(is_part_of_emoji) && is_after(is_pictographic))
        }
        EMOJI_STYLE if is_before(|character| character.is_ascii()) => {
            is_before(is_emoji) && is_after(|character| character == ENCLOSING_KEYCAP)
        }
        EMOJI_STYLE => is_before(is_emoji) && !is_before(is_shown_as_emoji),
        TEXT_STYLE => is_before(|character| is_emoji(character) && !character.is_ascii()),
        _ if is_variation_selector(character) => is_before(is_ideographic),
        BRAILLE_BLANK => is_before(is_braille) && is_after(is_braille),
        _ if is_ignorable(character) || BLANKS.contains(&character) => false,
        _ => is_readable(character) && (!is_mark(character) || has_letter(before)),
    }
}

/// Returns whether a separator between two letters changes their shape, because they would join without it (RFC 5892, appendix
/// A.1).
fn separates_letters(before: &[char], after: &[char]) -> bool {
    let joining = CodePointMapData::<JoiningType>::new();
    let is_letter = |character: &&char| joining.get(**character) != JoiningType::Transparent;
    let joins = |letter: Option<&char>, types: [JoiningType; 2]| {
        letter.is_some_and(|letter| types.contains(&joining.get(*letter)))
    };
    let left = before.iter().rev().find(is_letter);
    let right = after.iter().find(is_letter);
    joins(left, [JoiningType::LeftJoining, JoiningType::DualJoining])
        && joins(right, [JoiningType::RightJoining, JoiningType::DualJoining])
}

/// Returns whether a mark that follows these characters has a letter to stand on, which has not too many yet.
fn has_letter(before: &[char]) -> bool {
    let marks = before.iter().rev().take_while(|character| is_mark(**character)).count();
    before.last().is_some_and(|last| !last.is_whitespace()) && marks < MAX_MARKS
}

fn is_virama(character: char) -> bool {
    let class = CodePointMapData::<CanonicalCombiningClass>::new().get(character);
    class == CanonicalCombiningClass::Virama
}

fn is_part_of_emoji(character: char) -> bool {
    let is_modifier = matches!(character, '\u{1f3fb}'..='\u{1f3ff}');
    is_modifier || [EMOJI_STYLE, TEXT_STYLE].contains(&character) || is_pictographic(character)
}

fn is_pictographic(character: char) -> bool {
    CodePointSetData::new::<ExtendedPictographic>().contains(character)
}

fn is_emoji(character: char) -> bool {
    CodePointSetData::new::<Emoji>().contains(character)
}

/// Returns whether a character is shown as an emoji without a selector.
fn is_shown_as_emoji(character: char) -> bool {
    CodePointSetData::new::<EmojiPresentation>().contains(character)
}

fn is_ideographic(character: char) -> bool {
    CodePointSetData::new::<Ideographic>().contains(character)
}

fn is_braille(character: char) -> bool {
    matches!(character, '\u{2801}'..='\u{28ff}')
}

fn is_variation_selector(character: char) -> bool {
    matches!(character, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Returns whether software may leave a character out, because it shows nothing by itself.
pub(super) fn is_ignorable(character: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
}

fn is_mark(character: char) -> bool {
    use GeneralCategory as Category;
    matches!(
        CodePointMapData::<Category>::new().get(character),
        Category::NonspacingMark | Category::EnclosingMark | Category::SpacingMark
    )
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
            "1\u{fe0f}\u{20e3}. Plan",
            "⌚\u{fe0e}",
            "⠠⠁⠝⠝\u{2800}⠠⠃",
            "བསྒྲུབས",
            "nguye\u{302}\u{303}n",
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
            ("👍\u{fe0f}", "U+FE0F"),
            ("1\u{fe0f}", "U+FE0F"),
            ("Alice\u{fe0e}", "U+FE0E"),
            ("Alice\u{fe00}", "U+FE00"),
            ("Alice\u{e0100}", "U+E0100"),
            ("م\u{200d}ح", "U+200D"),
            ("e\u{301}\u{200c}\u{301}", "U+200C"),
            ("\u{301}", "U+0301"),
            ("Alice \u{301}", "U+0301"),
            ("a\u{301}\u{301}\u{301}\u{301}\u{301}", "U+0301"),
            ("\u{34f}", "U+034F"),
            ("\u{2060}", "U+2060"),
            ("\u{115f}", "U+115F"),
            ("\u{ffa0}", "U+FFA0"),
            ("\u{2800}", "U+2800"),
            ("Alice\u{2800}", "U+2800"),
            ("\u{1d159}", "U+1D159"),
            ("\u{180b}", "U+180B"),
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
