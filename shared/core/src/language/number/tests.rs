//! Numbers of the language against whole numbers of any size, which know nothing of decimals.

use proptest::prelude::*;

use super::*;

/// A decimal as a whole number of its smallest unit: 12.50 is (1250, 2).
fn parts(value: Decimal) -> (i128, u32) {
    (value.mantissa(), value.scale())
}

/// Digits of a product, by the multiplication that one learns at school: independent of the crate.
fn product(a: &str, b: &str) -> String {
    let mut digits = vec![0_u32; a.len() + b.len()];
    for (i, x) in a.bytes().rev().enumerate() {
        for (j, y) in b.bytes().rev().enumerate() {
            digits[i + j] += u32::from(x - b'0') * u32::from(y - b'0');
            digits[i + j + 1] += digits[i + j] / 10;
            digits[i + j] %= 10;
        }
    }
    let text: String = digits
        .iter()
        .rev()
        .map(|d| char::from_digit(*d, 10).unwrap())
        .collect();
    text.trim_start_matches('0').to_owned()
}

fn decimals() -> impl Strategy<Value = Decimal> {
    ("[1-9][0-9]{0,27}", 0_u32..=28, any::<bool>()).prop_map(|(digits, scale, negative)| {
        let mantissa: i128 = digits.parse().unwrap();
        let mantissa = if negative { -mantissa } else { mantissa };
        Decimal::try_from_i128_with_scale(mantissa, scale).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn a_sum_is_exact_or_refused(a in decimals(), b in decimals()) {
        let ((x, s), (y, t)) = (parts(a), parts(b));
        let scale = s.max(t);
        let raised = |value: i128, by: u32| 10_i128.checked_pow(by).and_then(|power| value.checked_mul(power));
        let exact = raised(x, scale - s).zip(raised(y, scale - t)).and_then(|(x, y)| x.checked_add(y));
        match Number::from(a).plus(b.into()) {
            Ok(sum) => {
                let sum = sum.value;
                // Brought to one scale, both are the same whole number.
                let (z, u) = parts(sum);
                let exact = exact.and_then(|exact| raised(exact, u.saturating_sub(scale)));
                let sum = raised(z, scale.saturating_sub(u));
                if let (Some(exact), Some(sum)) = (exact, sum) {
                    prop_assert_eq!(exact, sum);
                }
            }
            Err(problem) => {
                prop_assert_eq!(problem, NumberProblem::DoesNotFit);
                // What is refused has more digits than fit.
                let mut exact = exact.map(|exact| exact.unsigned_abs().to_string()).unwrap_or("9".repeat(40));
                while exact.ends_with('0') { exact.pop(); }
                prop_assert!(exact.len() >= 28, "{} + {}", a, b);
            }
        }
    }

    #[test]
    fn a_product_is_exact_or_refused(a in decimals(), b in decimals()) {
        let ((x, s), (y, t)) = (parts(a), parts(b));
        let mut digits = product(&x.unsigned_abs().to_string(), &y.unsigned_abs().to_string());
        let mut scale = s + t;
        match Number::from(a).times(b.into()) {
            Ok(made) => {
                let (z, u) = parts(made.value);
                let mut made = z.unsigned_abs().to_string();
                for _ in u..scale { made.push('0'); }
                for _ in scale..u { digits.push('0'); }
                prop_assert_eq!(made, digits);
            }
            Err(_) => {
                while digits.ends_with('0') && scale > 0 { digits.pop(); scale -= 1; }
                prop_assert!(digits.len() >= 29 || scale > 28, "{} * {}", a, b);
            }
        }
    }

    #[test]
    fn a_quotient_is_exact_or_says_so(a in decimals(), b in decimals()) {
        if let Ok(quotient) = Number::from(a).divided_by(b.into())
            && quotient.is_exact {
            let back = Number::from(quotient.value).times(b.into()).unwrap();
            prop_assert_eq!(back.value, a);
        }
    }

    #[test]
    fn whole_division_and_remainder_belong_together(a in any::<i64>(), b in any::<i32>().prop_filter("not zero", |b| *b != 0)) {
        let (a, b) = (Number::from(Decimal::from(a)), Number::from(Decimal::from(b)));
        if let (Ok(whole), Ok(rest)) = (a.whole_divided_by(b), a.remainder(b)) {
            prop_assert!(rest.value >= Decimal::ZERO && rest.value < b.value.abs());
            if let Ok(product) = whole.times(b) && let Ok(sum) = product.plus(rest) {
                prop_assert_eq!(sum.value, a.value);
            }
        }
    }

    #[test]
    fn what_is_written_is_read_to_the_same_digits(value in decimals()) {
        prop_assert_eq!(text(read(&text(value)).unwrap()), text(value));
        let scientific = format!("{}e-{}", value.mantissa(), value.scale());
        prop_assert_eq!(text(read(&scientific).unwrap()), text(value));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[-+0-9.eE]{0,40}") {
        let _ = (read(&text), literal(&text));
    }
}

#[test]
fn numbers_are_read_as_they_are_written() {
    for (written, expected) in [
        ("12345678901234567.89", "12345678901234567.89"),
        ("922337203685477.5807", "922337203685477.5807"),
        ("100.00", "100.00"),
        ("-0", "0"),
        ("-0.00", "0.00"),
        ("1e3", "1000"),
        ("1E-7", "0.0000001"),
        ("1.5e+2", "150"),
        (
            "79228162514264337593543950335",
            "79228162514264337593543950335",
        ),
    ] {
        assert_eq!(text(read(written).unwrap()), expected, "{written}");
    }
    for refused in [
        "79228162514264337593543950336",
        "1e300",
        "1e-300",
        "1e-29",
        "",
        "-",
        "x",
        "1e",
        "1e99999999999",
    ] {
        assert_eq!(read(refused), None, "{refused}");
    }
}

#[test]
fn numbers_are_rounded_as_the_method_says() {
    let rounded = |value: &str, places, how| {
        text(
            Number::from(read(value).unwrap())
                .rounded(places, how)
                .unwrap()
                .value,
        )
    };
    for (value, places, how, expected) in [
        ("2.675", 2, Rounding::HalfAwayFromZero, "2.68"),
        ("2.5", 0, Rounding::HalfAwayFromZero, "3"),
        ("-2.5", 0, Rounding::HalfAwayFromZero, "-3"),
        ("2.5", 0, Rounding::HalfEven, "2"),
        ("2.1", 0, Rounding::Up, "3"),
        ("2.9", 0, Rounding::Down, "2"),
        ("-2.9", 0, Rounding::TowardsZero, "-2"),
        ("1250", -2, Rounding::HalfAwayFromZero, "1300"),
        ("1250", -2, Rounding::HalfEven, "1200"),
        ("1201", -2, Rounding::Up, "1300"),
        ("49", -2, Rounding::HalfAwayFromZero, "0"),
    ] {
        assert_eq!(
            rounded(value, places, how),
            expected,
            "{value} {places} {how:?}"
        );
    }
}
