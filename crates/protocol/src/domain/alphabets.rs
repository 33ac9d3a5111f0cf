//! Alphabets in addresses, whose letters look alike: a Latin and a Cyrillic `a` are the same to readers.

use icu_properties::{props::Script, script::ScriptWithExtensions};

use super::{InvalidInput, visible_text::is_ignorable};

/// The scripts that are written together (Unicode Technical Standard 39, section 5.2, "Highly Restrictive").
const WRITTEN_TOGETHER: [&[Script]; 3] = [
    &[Script::Latin, Script::Han, Script::Hiragana, Script::Katakana],
    &[Script::Latin, Script::Han, Script::Bopomofo],
    &[Script::Latin, Script::Han, Script::Hangul],
];

/// Checks that no part of a new address can be taken for another: each is in one alphabet and has no invisible characters. The
/// parts are the part before the `@` and the labels of the domain.
///
/// # Errors
/// A part mixes alphabets, or the part before the `@` contains a joiner or a selector of a variant.
pub(super) fn check_alphabets(local: &str, domain: &str) -> Result<(), InvalidInput> {
    let is_mixed = std::iter::once(local).chain(domain.split('.')).any(is_mixed);
    if is_mixed || local.chars().any(is_ignorable) {
        return Err(InvalidInput::new(
            "The e-mail address mixes letters of different alphabets, which look alike, or has invisible ones. Write it with the letters of one alphabet.",
        ));
    }
    Ok(())
}

/// Returns whether a text has letters of scripts that are not written together. Digits and punctuation belong to all.
fn is_mixed(text: &str) -> bool {
    let scripts = ScriptWithExtensions::new();
    let is_letter = |character: &char| {
        ![Script::Common, Script::Inherited].contains(&scripts.get_script_val(*character))
    };
    let letters: Vec<char> = text.chars().filter(is_letter).collect();
    let Some(first) = letters.first() else { return false };
    let are_all_in = |group: &[Script]| {
        let is_in = |letter: &char| group.iter().any(|script| scripts.has_script(*letter, *script));
        letters.iter().all(is_in)
    };
    let mut of_first = scripts.get_script_extensions_val(*first).iter();
    !of_first.any(|script| are_all_in(&[script]))
        && !WRITTEN_TOGETHER.iter().any(|group| are_all_in(group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_an_address_is_in_one_alphabet() {
        for (local, domain) in [
            ("alice.smith+notes_1", "example.org"),
            ("иван", "example.org"),
            ("иван-1", "пример.com"),
            ("ren\u{e9}e", "münchen.de"),
            ("山田taro", "例え.テスト"),
            ("やまだー", "example.org"),
            ("김철수", "example.org"),
            ("محمد", "مثال.com"),
            ("1", "127.0.0.1"),
        ] {
            assert_eq!(check_alphabets(local, domain), Ok(()), "{local}@{domain}");
        }
        for (local, domain) in [
            // The first letter is Cyrillic.
            ("\u{430}lice", "example.org"),
            ("alice", "ex\u{430}mple.org"),
            // The last letter is Greek.
            ("alic\u{3b5}", "example.org"),
            ("иван.smith", "example.org"),
            ("علی\u{200c}رضا", "example.org"),
            ("👍\u{fe0e}", "example.org"),
        ] {
            assert!(check_alphabets(local, domain).is_err(), "{local}@{domain}");
        }
    }
}
