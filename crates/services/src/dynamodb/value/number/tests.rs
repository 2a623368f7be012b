use proptest::prelude::*;

use super::super::arbitrary::numbers;
use super::*;

fn number(text: &str) -> Number {
    Number::parse(text).unwrap()
}

fn check_text(text: &str, canonical: &str) {
    assert_eq!(number(text).to_string(), canonical, "{text}");
}

fn check_fault(text: &str, fault: &str) {
    assert_eq!(Number::parse(text), Err(Invalid::new(fault)), "{text}");
}

#[test]
fn numbers_are_answered_in_plain_notation() {
    for same in ["0", "1", "-5", "1000", "3.14159", "-273.15", "0.001"] {
        check_text(same, same);
    }
    check_text("007", "7");
    check_text("+1.50", "1.5");
    check_text("100.000", "100");
    check_text("1E+3", "1000");
    check_text("1.23e4", "12300");
    check_text("123e-2", "1.23");
    check_text("-.5", "-0.5");
    check_text("5.", "5");
    check_text("-0.0", "0");
    check_text("0e-131", "0");
    check_text("1e-20", "0.00000000000000000001");
    check_text("1e125", &format!("1{}", "0".repeat(125)));
    check_text("-1e-130", &format!("-0.{}1", "0".repeat(129)));
}

#[test]
fn what_is_no_number_is_refused() {
    check_fault("", "The parameter cannot be converted to a numeric value");
    let texts = [
        "NaN", "Infinity", "dog", " 1", "1 ", ".", "-", "1e", "1e+", "1.2.3", "0x1", "--1",
        "1e1.5", "١",
    ];
    for text in texts {
        let fault = format!("The parameter cannot be converted to a numeric value: {text}");
        check_fault(text, &fault);
    }
}

#[test]
fn range_and_precision_have_limits() {
    for text in [
        "1e126",
        "-11e125",
        "1.0e100000000",
        "1e99999999999999999999999",
    ] {
        check_fault(text, OVERFLOW);
    }
    for text in ["1e-131", "0.9e-130", "-1e-99999999999999999999999"] {
        check_fault(text, UNDERFLOW);
    }
    let digits = "3141592653589793238462643383279502884";
    check_text(&format!("{digits}1"), &format!("{digits}1"));
    check_text(&format!("{digits}10000"), &format!("{digits}10000"));
    check_fault(&format!("{digits}19"), TOO_PRECISE);
    check_text(
        &format!("0.{}e126", "9".repeat(38)),
        &format!("{}{}", "9".repeat(38), "0".repeat(88)),
    );
    check_text("0.1e126", &format!("1{}", "0".repeat(125)));
}

fn check_sum(one: &str, two: &str, sum: &str) {
    assert_eq!(number(one).plus(number(two)).unwrap(), number(sum));
    assert_eq!(number(two).plus(number(one)).unwrap(), number(sum));
    assert_eq!(number(sum).minus(number(two)).unwrap(), number(one));
}

#[test]
fn sums_are_exact() {
    check_sum("1", "10000000000000000000000", "10000000000000000000001");
    check_sum("0.1", "0.2", "0.3");
    check_sum("-1", "1", "0");
    check_sum("5", "-7.5", "-2.5");
    check_sum("0", "1e-130", "1e-130");
    check_sum("9e125", "9e124", "9.9e125");
    check_sum(
        "99999999999999999999999999999999999999",
        "-1",
        "99999999999999999999999999999999999998",
    );
    // A carry into a 39th digit is no loss if the last is zero.
    check_sum("99999999999999999999999999999999999999", "1", "1e38");
}

#[test]
fn sums_beyond_the_limits_are_refused() {
    for (one, two) in [
        ("9e125", "9e125"),
        ("1e50", "1"),
        ("1e125", "1e-130"),
        ("1e38", "1"),
    ] {
        let sum = number(one).plus(number(two));
        assert_eq!(sum, Err(Invalid::new(OVERFLOW)), "{one} + {two}");
    }
    let difference = number("1e50").minus(number("1"));
    assert_eq!(difference, Err(Invalid::new(OVERFLOW)));
}

proptest! {
    #[test]
    fn text_round_trips(one in numbers()) {
        prop_assert_eq!(Number::parse(&one.to_string()), Ok(one));
    }

    #[test]
    fn any_text_is_a_number_or_refused(text in "[-+.eE0-9 ]{0,12}|.*") {
        if let Ok(one) = Number::parse(&text) {
            prop_assert_eq!(Number::parse(&one.to_string()), Ok(one));
        }
    }

    #[test]
    fn differences_have_the_sign_of_the_order(one in numbers(), two in numbers()) {
        if let Ok(difference) = one.minus(two) {
            prop_assert_eq!(difference.cmp(&Number::ZERO), one.cmp(&two));
        }
        prop_assert_eq!(one.cmp(&two), two.cmp(&one).reverse());
    }

    #[test]
    fn small_sums_are_those_of_integers(one in -(1_i64 << 60)..(1 << 60), two in -(1_i64 << 60)..(1 << 60)) {
        prop_assert_eq!(Number::from(one).plus(two.into()), Ok(Number::from(one + two)));
        prop_assert_eq!(Number::from(one).cmp(&two.into()), one.cmp(&two));
    }

    #[test]
    fn what_is_added_is_taken_away_again(one in numbers(), two in numbers()) {
        if let Ok(sum) = one.plus(two) {
            prop_assert_eq!(sum.minus(two), Ok(one));
        }
    }
}
