//! The five schemes as plays. Each script can be read beside its paper.

mod benefit;
mod benefit_contractors;
mod convenience;
mod mynumber;
mod nhi;
mod nhi_print;
mod queue;

use daicho_core::Date;

use super::calendar::date;
use super::play::Play;

/// A set party with its members: id and name of each.
pub(crate) type Members = (&'static str, &'static [(&'static str, &'static str)]);

/// How a scheme is played.
pub(crate) struct Cast {
    /// Scheme id.
    pub(crate) id: &'static str,
    from: &'static str,
    to: &'static str,
    /// Deadlines that the ward sets where the file proposes none.
    pub(crate) numbers: &'static [(&'static str, &'static str)],
    /// Rules that the ward leaves without a number.
    pub(crate) left_open: &'static [&'static str],
    /// How long a copy may wait for the milestone of a rule.
    pub(crate) waits: &'static [(&'static str, &'static str)],
    /// For how long data of a rule must be kept first.
    pub(crate) keeps: &'static [(&'static str, &'static str)],
    /// Set parties with their members.
    pub(crate) members: &'static [Members],
    /// Subcontractors to which the ward consents, by contract.
    pub(crate) consents: &'static [(&'static str, &'static str)],
    /// The script.
    pub(crate) play: fn(&mut Play<'_>),
}

impl Cast {
    /// First day of the play.
    pub(crate) fn from(&self) -> Date {
        date(self.from)
    }

    /// Last day of the play. Duties after a contract's end follow it.
    pub(crate) fn to(&self) -> Date {
        date(self.to)
    }
}

/// All plays.
pub(crate) const CASTS: [Cast; 5] = [
    Cast {
        id: "mynumber_card_application_support",
        from: "2020-04-01",
        to: "2021-03-31",
        numbers: &[],
        left_open: &[],
        waits: &[("r1_terminal_after_application", "P1D"), ("r2_terminal_after_sending", "P1D")],
        keeps: &[],
        members: &[],
        consents: &[],
        play: mynumber::play,
    },
    Cast {
        id: "convenience_store_certificate_issuance",
        from: "2018-09-01",
        to: "2019-03-31",
        numbers: &[],
        left_open: &[],
        waits: &[("r5_kiosk_after_print", "P7D")],
        keeps: &[],
        members: &[("cvs_operators", convenience::OPERATORS)],
        consents: &[("c_jlis", "cvs_operators")],
        play: convenience::play,
    },
    Cast {
        id: "queue_notice_service",
        from: "2021-02-01",
        to: "2022-01-31",
        numbers: &[],
        left_open: &[],
        waits: &[("r1_contact_next_day", "P7D")],
        keeps: &[],
        members: &[],
        consents: &[],
        play: queue::play,
    },
    Cast {
        id: "special_cash_benefit",
        from: "2020-05-01",
        to: "2020-11-30",
        numbers: &[],
        left_open: &[],
        waits: &[("r5_hokkaido_no_longer_needed", "P3M")],
        keeps: &[],
        members: &[("other_governments", benefit::GOVERNMENTS)],
        consents: &[("c1", "hokkaido_toppan_forms")],
        play: benefit::play,
    },
    Cast {
        id: "nhi_premium_payment",
        from: "2020-04-01",
        to: "2021-03-31",
        numbers: &[("r3_collection_center_fixed_date", "P2M"), ("r5_joint_center_fixed_date", "P2M")],
        left_open: &["r4_designated_payer_fixed_date"],
        waits: &[],
        keeps: &[("r3_collection_center_fixed_date", "end-of-same-day")],
        members: &[],
        consents: &[],
        play: nhi::play,
    },
];
