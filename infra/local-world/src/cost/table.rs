//! The bill as a table in Markdown, which can be read as it is.

use super::{
    bill::Bill,
    inputs::{Inputs, Price},
};

/// The bills of a month without relays and of months with so many, side by side.
#[must_use]
pub fn table(inputs: &Inputs, relays: &[u64]) -> String {
    let columns: Vec<(String, Bill)> = std::iter::once(0)
        .chain(relays.iter().copied())
        .map(|relays| {
            let head = match relays {
                0 => "no relay".to_owned(),
                1 => "1 relay".to_owned(),
                some => format!("{} relays", thousands(some)),
            };
            (head, Bill::new(inputs, relays))
        })
        .collect();
    let mut rows: Vec<Vec<String>> = Vec::new();
    let heads = columns.iter().map(|(head, _)| head.clone());
    rows.push(
        ["a month".to_owned(), "price".to_owned()]
            .into_iter()
            .chain(heads)
            .collect(),
    );
    let rules = columns.iter().map(|_| "--:".to_owned());
    rows.push(
        ["---".to_owned(), "---".to_owned()]
            .into_iter()
            .chain(rules)
            .collect(),
    );
    let bills: Vec<&Bill> = columns.iter().map(|(_, bill)| bill).collect();
    let items = bills.first().map_or(0, |bill| bill.items.len());
    for index in 0..items {
        let line: Vec<_> = bills
            .iter()
            .filter_map(|bill| bill.items.get(index))
            .collect();
        let Some(first) = line.first() else { continue };
        let mut row = vec![first.what.to_owned(), price(&first.price)];
        row.extend(
            line.iter()
                .map(|item| format!("{} · {}", amount(item.quantity), dollars(item.usd()))),
        );
        rows.push(row);
    }
    let mut total = vec!["**together**".to_owned(), String::new()];
    total.extend(
        bills
            .iter()
            .map(|bill| format!("**{}**", dollars(bill.usd()))),
    );
    rows.push(total);
    rows.iter()
        .map(|row| format!("| {} |\n", row.join(" | ")))
        .collect()
}

fn price(price: &Price) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of units"
    )]
    let per = price.per as u64;
    let usd = if format!("{}", price.usd).len() < format!("{:.2}", price.usd).len() {
        dollars(price.usd)
    } else {
        format!("${}", price.usd)
    };
    match per {
        1 => usd,
        1_000_000 => format!("{usd} a million"),
        per => format!("{usd} per {}", thousands(per)),
    }
}

fn dollars(usd: f64) -> String {
    format!("${usd:.2}")
}

/// A count as a whole number, something small with three digits after the point at most.
fn amount(quantity: f64) -> String {
    if quantity >= 100.0 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "rounded, and not negative"
        )]
        let whole = quantity.round() as u64;
        return thousands(whole);
    }
    let text = format!("{quantity:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_shows_what_the_command_prints() {
        let readme = include_str!("../../../../README.md");
        let table = table(&Inputs::default_file().unwrap(), &[1_000, 1_000_000]);
        assert!(
            readme.contains(&table),
            "README.md, \"What it costs\", must show this:\n{table}"
        );
    }

    #[test]
    fn numbers_are_written_for_reading() {
        for (quantity, text) in [
            (0.0, "0"),
            (0.000_4, "0"),
            (0.0832, "0.083"),
            (2.5, "2.5"),
            (99.0, "99"),
            (100.4, "100"),
            (1_000.0, "1,000"),
            (1_648_000.0, "1,648,000"),
        ] {
            assert_eq!(amount(quantity), text);
        }
    }
}
