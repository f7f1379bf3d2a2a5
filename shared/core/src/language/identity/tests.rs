use proptest::prelude::*;

use super::*;

#[test]
fn an_organisation_number_has_nine_digits_and_the_right_last_one() {
    // Brønnøysundregistrene's own example, Digdir, Skatteetaten, and a test organisation of Tenor.
    for number in ["123456785", "991825827", "974761076", "310075728"] {
        assert!(is_organisation_number(number), "{number}");
    }
    for text in [
        "",
        "310075729",
        "31007572",
        "3100757280",
        "310 075 728",
        " 310075728",
        "310075728\n",
        "NO310075728",
        "000000000",
        "３１００７５７２８",
    ] {
        assert!(!is_organisation_number(text), "{text}");
    }
}

#[test]
fn every_kind_of_national_identity_number_is_known() {
    use {Holder::*, Origin::*};
    // Made up, as examples of Skatteetaten and navikt/fnrvalidator.
    for (number, holder, origin) in [
        ("13097248022", Resident, Register),
        ("29020075838", Resident, Register),
        ("53097248016", NonResident, Register),
        ("13527248013", Resident, Dolly),
        ("68467038838", NonResident, Dolly),
        ("10915596784", Resident, Tenor),
        ("50846202355", NonResident, Tenor),
        // With the control digits of 2032.
        ("02013299997", Resident, Register),
        ("30108299920", Resident, Register),
        ("30108299939", Resident, Register),
    ] {
        let known = IdentityNumber { holder, origin };
        assert_eq!(IdentityNumber::of(number), Some(known), "{number}");
        assert!(is_national_identity_number(number));
    }
}

#[test]
fn other_texts_are_no_national_identity_numbers() {
    for text in [
        "",
        "1309724802",
        "130972480222",
        "130972 48022",
        "1309724802x",
        "13097248032",
        "13097248023",
        "00000000000",
        "02013299987",
        "02013299996",
    ] {
        assert!(!is_national_identity_number(text), "{text}");
    }
}

/// Skatteetaten's formula, word by word: the control digit for each number that the sum is subtracted from.
fn control_digits(digits: &str, weights: &[u32], from: &[u32]) -> Vec<u32> {
    let values = digits.chars().map(|c| c.to_digit(10).unwrap());
    let sum: u32 = values
        .zip(weights)
        .map(|(digit, weight)| digit * weight)
        .sum();
    let control = |from: &u32| (from - sum % 11) % 11;
    from.iter()
        .map(control)
        .filter(|digit| *digit != 10)
        .collect()
}

/// The two last digits that the nine before may have.
fn endings(nine: &str) -> Vec<String> {
    let first = control_digits(nine, &[3, 7, 6, 1, 8, 9, 4, 5, 2], &[11, 12, 13, 14]);
    let ending = |first: u32| {
        let ten = format!("{nine}{first}");
        let second = control_digits(&ten, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2], &[11]);
        second.first().map(|second| format!("{first}{second}"))
    };
    first.into_iter().filter_map(ending).collect()
}

proptest! {
    #[test]
    fn a_day_has_the_numbers_of_the_formula_and_no_others(
        days in 0..36_525_i32,
        individual in 0..1000_u16,
        d_number in prop::sample::select(vec![0, 40_i8]),
        synthetic in prop::sample::select(vec![0, 40, 80_i8]),
    ) {
        let born = jiff::civil::date(2000, 1, 1) + jiff::Span::new().days(days);
        let (day, month, year) = (born.day() + d_number, born.month() + synthetic, born.year() % 100);
        let nine = format!("{day:02}{month:02}{year:02}{individual:03}");
        let accepted: Vec<String> = (0..100)
            .map(|ending| format!("{ending:02}"))
            .filter(|ending| is_national_identity_number(&format!("{nine}{ending}")))
            .collect();
        let mut expected = endings(&nine);
        expected.sort();
        prop_assert_eq!(accepted, expected);
    }

    #[test]
    fn nine_digits_whose_day_does_not_exist_have_no_number(
        day in 0..100_u8,
        month in 0..100_u8,
        year in 0..100_u8,
        individual in 0..1000_u16,
    ) {
        let nine = format!("{day:02}{month:02}{year:02}{individual:03}");
        let in_month = match month % 40 {
            4 | 6 | 9 | 11 => 30,
            2 if year % 4 == 0 => 29,
            2 => 28,
            1..=12 => 31,
            _ => 0,
        };
        let is_day = |day| (1..=in_month).contains(&day);
        let exists = month < 93 && (is_day(day) || day.checked_sub(40).is_some_and(is_day));
        for ending in endings(&nine) {
            let number = format!("{nine}{ending}");
            prop_assert_eq!(is_national_identity_number(&number), exists, "{}", number);
        }
    }

    #[test]
    fn eight_digits_have_at_most_one_organisation_number(eight in "[0-9]{8}") {
        let accepted: Vec<u32> = (0..10)
            .filter(|last| is_organisation_number(&format!("{eight}{last}")))
            .collect();
        let mut expected = control_digits(&eight, &[3, 2, 7, 6, 5, 4, 3, 2], &[11]);
        if eight == "00000000" {
            expected.clear();
        }
        prop_assert_eq!(accepted, expected);
    }

    #[test]
    fn any_text_is_a_number_or_none(text in any::<String>()) {
        let _ = is_organisation_number(&text);
        let _ = is_national_identity_number(&text);
    }
}
