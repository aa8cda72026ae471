use super::*;

fn row(rate: f64, p99: u64, failed: &[&str]) -> TrialRow {
    let estimate = |value| Some(Estimate { value, low: Some(value / 2), high: Some(value * 2) });
    TrialRow {
        folder: format!("rate-{rate}"),
        rate,
        unit: ArrivalUnit::Messages,
        validity: Verdict::Valid,
        failed: failed.iter().map(|text| (*text).to_owned()).collect(),
        achieved: Some(1.0),
        messages_per_s: Some(rate * 0.5),
        messages_rate: Some(Rate { per_s: rate * 0.5, low: rate * 0.4, high: rate * 0.6 }),
        accepted: Share::of(1, 2),
        response: [estimate(p99 / 3), None, estimate(p99)],
        service: [estimate(p99 / 3), None, None],
        lag_p99: estimate(12),
    }
}

#[test]
fn every_row_has_as_many_cells_as_the_header_and_what_is_unknown_is_empty() {
    let rows = [row(50.0, 900, &[]), row(100.5, 9000, &["accepted > 99% (50.0 %)", "b"])];
    let csv = String::from_utf8(sweep_csv(&rows)).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0].split(',').count(), COLUMNS.len());
    assert!(lines[1].starts_with("rate-50,50,messages,held,,1,25,20,30,0.5,"), "{csv}");
    assert!(lines[1].ends_with(",300,150,600,,,,,,,12,6,24"), "{csv}");
    assert!(
        lines[2].contains("100.5,messages,missed,accepted > 99% (50.0 %); b,1,50.25,40.2,60.3,"),
        "{csv}"
    );
    let trials: Vec<_> = rows.into_iter().map(|row| (row, "search")).collect();
    let csv = String::from_utf8(find_max_csv(&trials)).unwrap();
    assert!(csv.starts_with("trial,purpose,folder,rate,"), "{csv}");
    assert!(
        csv.lines().nth(2).is_some_and(|line| line.starts_with("2,search,rate-100.5,")),
        "{csv}"
    );
}

#[test]
fn a_run_holds_only_where_it_may_be_believed() {
    assert!(row(1.0, 9, &[]).holds());
    assert!(!row(1.0, 9, &["x"]).holds());
    let limited = TrialRow { validity: Verdict::GeneratorLimited, ..row(1.0, 9, &[]) };
    assert!(!limited.holds());
    assert_eq!(limited.verdict(), "generator-limited");
}

#[test]
fn the_curve_is_drawn_in_order_of_the_rate_and_tells_what_did_not_hold() {
    let rows = [row(200.0, 90_000, &["x"]), row(50.0, 900, &[]), row(100.0, 1200, &[])];
    let svg = String::from_utf8(sweep_svg("a", &rows)).unwrap();
    assert_eq!(svg.matches("<circle").count(), 6);
    assert_eq!(svg.matches(r##"r="4.5" fill="#ffffff""##).count(), 2);
    assert_eq!(svg.matches("<polyline").count(), 2);
    let line = svg.lines().find(|line| line.starts_with("<polyline")).unwrap();
    let places = line.split('"').nth(1).unwrap().split(' ');
    let x: Vec<f64> =
        places.map(|place| place.split(',').next().unwrap().parse().unwrap()).collect();
    assert!(x.is_sorted(), "{x:?}");
    assert!(svg.contains("offered rate, messages a second"));
}
