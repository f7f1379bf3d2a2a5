use proptest::prelude::*;

use super::*;

/// Asserts that the texts stand in order, each before the next.
fn assert_in_order(texts: &[&str]) {
    let mut sorted = texts.to_vec();
    sorted.reverse();
    sorted.sort_by(|a, b| compare(a, b));
    assert_eq!(sorted, texts);
    for pair in texts.windows(2) {
        assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
    }
}

#[test]
fn the_letters_end_with_ae_oe_and_aa() {
    assert_in_order(&[
        "Andersen",
        "Bø",
        "Våge",
        "Zakariassen",
        "Ærfugl",
        "Ødegård",
        "Ås",
    ]);
}

#[test]
fn two_a_are_one_letter() {
    assert_in_order(&["Abel", "Azra", "Ødegård", "Ågot", "Aase", "Åsmund"]);
    assert_in_order(&["bå", "Bå", "baa", "Baa"]);
}

#[test]
fn case_and_accents_count_only_between_texts_that_are_equal_otherwise() {
    assert_in_order(&[
        "ide", "Ide", "idé", "Idé", "ide bok", "idé bok", "idea", "Idealist",
    ]);
    assert_in_order(&["per", "Per", "PER", "Pernille"]);
    assert_in_order(&["for", "fór", "fòr", "fôr", "fora"]);
}

#[test]
fn foreign_letters_stand_with_the_norwegian_ones_they_resemble() {
    assert_in_order(&["dag", "đag", "dagen", "lodd", "łodd", "strasse", "straße"]);
    assert_in_order(&[
        "Myhre", "Müller", "Myra", "Zahl", "Ær", "Är", "Ør", "Ör", "Ås",
    ]);
    assert_in_order(&["Guovdageaidnu", "nuo", "ŋáhca", "o", "tuo", "ŧuo", "u"]);
    assert_in_order(&["Ås", "Ωmega", "Москва"]);
}

#[test]
fn spaces_signs_and_digits_are_before_letters() {
    assert_in_order(&[
        "",
        " ",
        "-",
        "1",
        "10",
        "9",
        "a",
        "Ås kommune",
        "Ås-kommune",
        "Åse",
    ]);
}

/// As ICU 2.4 with the locale `nb` sorts them.
#[test]
fn the_order_is_that_of_icu() {
    assert_in_order(&[
        "1", "10", "9", "a", "A", "a b", "a-b", "ab", "Ase", "d", "đ", "e", "E", "é", "th", "þ",
        "y", "ü", "z", "Z", "æ", "ä", "ø", "ö", "å", "aa", "Aa", "AA", "Aalto", "Ås", "Aas",
    ]);
}

#[test]
fn composed_and_decomposed_letters_are_the_same_letter() {
    for (composed, decomposed) in [("å", "a\u{30a}"), ("é", "e\u{301}"), ("ä", "a\u{308}")] {
        let last = format!("{composed}a");
        assert_in_order(&[decomposed, composed, &format!("{decomposed}A")]);
        assert_in_order(&[decomposed, &last, &format!("{decomposed}b")]);
    }
    assert_in_order(&["aå", "åa"]);
}

/// Texts of letters that are easily mistaken for each other.
fn texts() -> impl Strategy<Value = String> {
    let characters = "aAåÅäæÆøöeéEuüyzsßthþ19 -\u{30a}\u{301}\u{308}";
    let characters: Vec<char> = characters.chars().collect();
    let likely = prop::collection::vec(prop::sample::select(characters), 0..6);
    prop_oneof![4 => likely.prop_map(String::from_iter), 1 => any::<String>()]
}

proptest! {
    #[test]
    fn the_order_is_total(a in texts(), b in texts(), c in texts()) {
        prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
        prop_assert_eq!(compare(&a, &b).is_eq(), a == b);
        if compare(&a, &b).is_le() && compare(&b, &c).is_le() {
            prop_assert!(compare(&a, &c).is_le());
        }
    }

    #[test]
    fn a_text_stands_before_those_that_it_starts(a in "[b-zæøåB-ZÆØÅ0-9 ]{0,8}", b in "[b-zæøå]{1,4}") {
        prop_assert_eq!(compare(&a, &format!("{a}{b}")), Ordering::Less);
    }

    /// Without `aa`, the letters alone decide as their numbers in the alphabet do.
    #[test]
    fn words_stand_as_their_letters_stand_in_the_alphabet(
        a in "[b-zæøåB-ZÆØÅ]{1,6}",
        b in "[b-zæøåB-ZÆØÅ]{1,6}",
    ) {
        let numbers = |text: &str| -> Vec<usize> {
            let letters = text.chars().flat_map(char::to_lowercase);
            letters.map(|c| "abcdefghijklmnopqrstuvwxyzæøå".find(c).unwrap()).collect()
        };
        let by_number = numbers(&a).cmp(&numbers(&b));
        if by_number.is_ne() {
            prop_assert_eq!(compare(&a, &b), by_number);
        }
    }
}
