//! The cursor against a Storage whose column drifts, with changes between its pages.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;
use crate::settings::PAGE_SIZE;

/// Storage's table, as far as a list shows it.
struct Table {
    rows: Vec<Entry>,
    now: i64,
}

struct Entry {
    column: i64,
    document: i64,
    /// Its column fell back while the list was read: where that was behind the cursor, the list cannot show it.
    fell_back: bool,
}

/// A change between two pages, to the instance of this number.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// It is changed: it moves to the end.
    Touched(u16),
    /// A race takes its column back by so much.
    TakenBack(u16, i64),
    /// Its column is set right by a write of data values.
    SetRight(u16),
}

fn id(number: usize) -> Uuid {
    Uuid::from_u128(number as u128 + 1)
}

fn at(us: i64) -> Timestamp {
    Timestamp::from_microsecond(us).unwrap()
}

impl Table {
    /// What Storage answers (src/Storage/Repository/PgInstanceRepository.cs, readinstancefromquery.sql).
    fn answer(&self, query: &InstanceQuery, next: Option<&str>) -> Page {
        let size = next.map_or(query.size, |next| {
            let size = next.split_once("size=").unwrap().1;
            size.split('&').next().unwrap().parse().unwrap()
        });
        let after = next.map(|next| {
            let token = next.split_once("token=").unwrap().1;
            let (time, number) = token.split_once(';').unwrap();
            (
                time.parse::<i64>().unwrap(),
                number.parse::<usize>().unwrap(),
            )
        });
        let from = query.changed_from.map(Timestamp::as_microsecond);
        let mut listed: Vec<(i64, usize)> = (self.rows.iter().enumerate())
            .map(|(number, row)| (row.column, number))
            .filter(|place| from.is_none_or(|from| place.0 >= from))
            .filter(|place| after.is_none_or(|after| *place > after))
            .collect();
        listed.sort_unstable();
        listed.truncate(size);
        let last = listed.last().filter(|_| listed.len() == size);
        let next = last.map(|(_, number)| {
            format!("size={size}&token={};{number}", self.rows[*number].document)
        });
        let rows = listed.iter().map(|(_, number)| Row {
            id: Some(id(*number)),
            changed: Some(at(self.rows[*number].document)),
        });
        Page {
            rows: rows.collect(),
            next,
            ..Page::default()
        }
    }

    fn change(&mut self, change: Change) {
        let (Change::Touched(number) | Change::TakenBack(number, _) | Change::SetRight(number)) =
            change;
        let number = usize::from(number) % self.rows.len();
        let row = &mut self.rows[number];
        match change {
            Change::Touched(_) => {
                self.now += 1;
                *row = Entry {
                    column: self.now,
                    document: self.now,
                    fell_back: row.fell_back,
                };
            }
            Change::TakenBack(_, by) => {
                row.column -= by;
                row.fell_back = true;
            }
            Change::SetRight(_) => row.column = row.document,
        }
    }
}

/// What a cursor saw, page by page: how often each instance came as another document, and the number of calls.
fn read_whole(
    table: &mut Table,
    size: usize,
    changes: &[Change],
    stop_at: Option<usize>,
) -> (BTreeMap<Uuid, Vec<Timestamp>>, usize) {
    let list = InstanceQuery {
        size,
        ..InstanceQuery::of("ttd/permit".parse().unwrap())
    };
    let mut cursor = Cursor::new(list.clone());
    let mut seen: BTreeMap<Uuid, Vec<Timestamp>> = BTreeMap::new();
    let mut changes = changes.iter();
    let mut calls = 0;
    while !cursor.is_finished() {
        calls += 1;
        assert!(calls < 50 + 10 * table.rows.len(), "the list ends");
        if stop_at == Some(calls) {
            // It is kept as text, and goes on with nothing else.
            let kept = serde_json::to_string(cursor.place()).unwrap();
            cursor = Cursor::resume(list.clone(), serde_json::from_str(&kept).unwrap());
        }
        let (query, next) = cursor.ask();
        let mut page = table.answer(&query, next.as_deref());
        cursor.resumed = false;
        if cursor.turn(&mut page) != Turn::Back {
            for row in &page.rows {
                seen.entry(row.id.unwrap())
                    .or_default()
                    .push(row.changed.unwrap());
            }
        }
        if let Some(change) = changes.next() {
            table.change(*change);
        }
    }
    (seen, calls)
}

/// Instances that changed within some moments, so many of which have a column that lies behind by up to `far`.
fn table(gaps: &[i64], drifts: &[(u8, i64)], percent: u8) -> Table {
    let mut now = 1_000_000_000;
    let rows: Vec<Entry> = gaps
        .iter()
        .zip(drifts.iter().cycle())
        .map(|(gap, (die, by))| {
            now += gap;
            let by = if die % 100 < percent { *by } else { 0 };
            Entry {
                column: now - by,
                document: now,
                fell_back: false,
            }
        })
        .collect();
    Table { rows, now }
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    vec(
        prop_oneof![
            any::<u16>().prop_map(Change::Touched),
            (any::<u16>(), 1i64..5_000).prop_map(|(number, by)| Change::TakenBack(number, by)),
            any::<u16>().prop_map(Change::SetRight),
        ],
        0..12,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever drifts, whatever changes meanwhile, and wherever a run stops: no instance is lost.
    #[test]
    fn every_instance_is_seen(
        gaps in vec(prop_oneof![4 => 0i64..3, 1 => 0i64..400], 1..900),
        drifts in vec((any::<u8>(), prop_oneof![1i64..40, 1i64..100_000]), 40..300),
        percent in select(vec![0u8, 1, 10, 40, 70, 100]),
        size in select(vec![25usize, 60, 100, 250]),
        changes in changes(),
        stop_at in proptest::option::of(1usize..12),
    ) {
        let mut table = table(&gaps, &drifts, percent);
        let (seen, _) = read_whole(&mut table, size, &changes, stop_at);
        for (number, row) in table.rows.iter().enumerate() {
            prop_assert!(row.fell_back || seen.contains_key(&id(number)), "{number} of {}", gaps.len());
        }
    }

    /// The number of pages is bounded by what a page brings beyond the overlap.
    #[test]
    fn the_pages_are_few(
        drifts in vec((any::<u8>(), prop_oneof![1i64..40, 1i64..100_000]), 400..800),
        count in 1usize..5_000,
        percent in select(vec![0u8, 1, 10, 40]),
        size in select(vec![100usize, 250, 1_000]),
    ) {
        let mut table = table(&vec![7; count], &drifts, percent);
        let (seen, calls) = read_whole(&mut table, size, &[], None);
        prop_assert_eq!(seen.len(), count);
        let fewest = count / (size - TAIL) + 2;
        prop_assert!(calls <= fewest + 1, "{calls} pages, {fewest} at the best");
    }
}

#[test]
fn next_alone_loses_what_the_cursor_sees() {
    let drifts: Vec<(u8, i64)> = (0..97).map(|n| ((n * 37 % 100) as u8, 5_000)).collect();
    let mut table = table(&vec![7; 3_000], &drifts, 10);
    let list = InstanceQuery {
        size: 100,
        ..InstanceQuery::of("ttd/permit".parse().unwrap())
    };
    let (mut next, mut listed) = (None::<String>, 0);
    loop {
        let page = table.answer(&list, next.as_deref());
        listed += page.rows.len();
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    assert!(listed < 2_900, "{listed}");
    let (seen, calls) = read_whole(&mut table, 100, &[], None);
    assert_eq!(seen.len(), 3_000);
    assert!(calls < 45, "{calls}");
}

#[test]
fn many_that_changed_at_the_same_moment_are_read_by_next() {
    for (percent, most) in [(0, 27), (1, 60), (40, 60)] {
        let mut gaps = vec![0; 2_500];
        gaps.extend([3; 200]);
        let drifts: Vec<(u8, i64)> = (0..97).map(|n| ((n * 37 % 100) as u8, 5_000)).collect();
        let mut table = table(&gaps, &drifts, percent);
        let (seen, calls) = read_whole(&mut table, 100, &[], None);
        assert_eq!(seen.len(), 2_700);
        assert!(calls <= most + 3, "{calls} at {percent} %");
    }
}

#[test]
fn an_instance_in_the_overlap_comes_once() {
    let table = table(&[10; 350], &[(0, 1)], 0);
    let list = InstanceQuery {
        size: 100,
        ..InstanceQuery::of("ttd/permit".parse().unwrap())
    };
    let mut cursor = Cursor::new(list);
    let mut known = 0;
    while !cursor.is_finished() {
        let (query, next) = cursor.ask();
        let page = table.answer(&query, next.as_deref());
        known += page
            .rows
            .iter()
            .filter(|row| cursor.known(row).is_some())
            .count();
        let mut page = page;
        assert_eq!(cursor.turn(&mut page), Turn::On);
    }
    assert_eq!(known, 4 * TAIL, "each overlap, and no more");
}

#[test]
fn a_list_keeps_to_its_own_window() {
    let list = InstanceQuery {
        changed_from: Some(at(5_000_000)),
        changed_before: Some(at(9_000_000)),
        ..InstanceQuery::of("ttd/permit".parse().unwrap())
    };
    let cursor = Cursor::new(list.clone());
    assert_eq!(cursor.ask(), (list.clone(), None));
    assert_eq!(list.size, PAGE_SIZE);
    let place = Place {
        from: Some(at(7_000_000)),
        ..Place::default()
    };
    let (query, _) = Cursor::resume(list.clone(), place).ask();
    assert_eq!(
        (query.changed_from, query.changed_before),
        (Some(at(7_000_000)), list.changed_before)
    );
}
