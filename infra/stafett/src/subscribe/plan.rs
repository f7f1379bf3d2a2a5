//! What is there against what the routes need.

use reqwest::Url;
use stafett_runtime::altinn::subscriptions::{Endpoint, Subscription, Topic};

/// The subscriptions of our organisation, by what is to be done about them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// What nobody has subscribed to for this deployment.
    pub(super) lacking: Vec<Topic>,
    /// What the routes need and have, validated or not.
    pub(super) standing: Vec<(Topic, Subscription)>,
    /// Of this deployment, and needed by no route: an older secret, another filter, a route that is gone.
    pub(super) superfluous: Vec<Subscription>,
    /// Of other systems of the organisation; none of our business.
    pub(super) others: Vec<Subscription>,
}

impl Plan {
    /// `endpoint` is the address below `api` that the deployed function answers at.
    pub(super) fn new(
        topics: Vec<Topic>,
        existing: Vec<Subscription>,
        api: &Url,
        endpoint: &Endpoint,
    ) -> Self {
        let (mut ours, others): (Vec<_>, Vec<_>) =
            existing.into_iter().partition(|it| it.endpoint.is_of(api));
        // Of two that are alike, one that delivers already is the one to keep.
        ours.sort_by_key(|it| (!it.validated, it.id));
        let mut plan = Self {
            lacking: Vec::new(),
            standing: Vec::new(),
            superfluous: Vec::new(),
            others,
        };
        for topic in topics {
            let found = ours
                .iter()
                .position(|it| it.endpoint == *endpoint && it.is_about(&topic));
            match found {
                Some(index) => plan.standing.push((topic, ours.remove(index))),
                None => plan.lacking.push(topic),
            }
        }
        plan.superfluous = ours;
        plan
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::select};
    use stafett_runtime::altinn::subscriptions::Kind;

    use super::*;

    const SECRETS: [&str; 2] = [
        "the-secret-that-is-deployed-right-now",
        "the-one-before-it-was-rotated-away",
    ];

    fn api() -> Url {
        "https://abc123.execute-api.eu-north-1.amazonaws.com"
            .parse()
            .unwrap()
    }

    fn ours(secret: &str) -> Endpoint {
        Endpoint::new(&api(), &secret.to_owned().into())
    }

    fn topics() -> impl Strategy<Value = Vec<Topic>> {
        let topic = (
            select(&["ttd/a", "ttd/b", "ttd/c"]),
            select(&[Kind::All, Kind::Completed]),
        );
        proptest::collection::btree_map(topic.0, topic.1, 0..3).prop_map(|topics| {
            let topic = |(app, kind): (&str, Kind)| Topic {
                app: app.parse().unwrap(),
                kind,
            };
            topics.into_iter().map(topic).collect()
        })
    }

    fn existing() -> impl Strategy<Value = Vec<Subscription>> {
        let endpoint = select(&[
            "https://hooks.example.no/x",
            "https://abc123.execute-api.eu-north-1.amazonaws.com/other",
        ])
        .prop_map(|address| Endpoint::from(address.to_owned()));
        let endpoint = prop_oneof![select(&SECRETS).prop_map(ours), endpoint];
        let resource = select(&[
            "urn:altinn:resource:app_ttd_a",
            "urn:altinn:resource:app_ttd_b",
            "urn:altinn:resource:app_ttd_d",
            "urn:altinn:resource:dialog",
        ]);
        let kind = select(&[
            None,
            Some("app.instance.process.completed"),
            Some("app.instance.created"),
        ]);
        let one = (endpoint, resource, kind, any::<bool>(), any::<bool>()).prop_map(
            |(endpoint, resource, kind, narrowed, validated)| Subscription {
                id: 0,
                endpoint,
                resource: Some(resource.to_owned()),
                kind: kind.map(str::to_owned),
                narrowed,
                validated,
                created: None,
            },
        );
        proptest::collection::vec(one, 0..12).prop_map(|mut all| {
            for (id, subscription) in (1..).zip(&mut all) {
                subscription.id = id;
            }
            all
        })
    }

    /// What Altinn makes of a topic.
    fn made(topic: &Topic, id: u64, endpoint: &Endpoint) -> Subscription {
        Subscription {
            id,
            endpoint: endpoint.clone(),
            resource: Some(topic.resource()),
            kind: topic.kind.filter().map(str::to_owned),
            narrowed: false,
            validated: true,
            created: None,
        }
    }

    proptest! {
        #[test]
        fn a_plan_that_was_carried_out_leaves_nothing_to_do_and_others_alone(
            topics in topics(), existing in existing()
        ) {
            let endpoint = ours(SECRETS[0]);
            let before = existing.clone();
            let plan = Plan::new(topics.clone(), existing.clone(), &api(), &endpoint);
            let is_other = |it: &Subscription| !it.endpoint.is_of(&api());
            prop_assert!(plan.others.iter().all(is_other));
            prop_assert_eq!(plan.others.len(), before.iter().filter(|it| is_other(it)).count());
            prop_assert_eq!(plan.lacking.len() + plan.standing.len(), topics.len());
            let known = plan.standing.len() + plan.superfluous.len() + plan.others.len();
            prop_assert_eq!(known, before.len(), "each is one of the three");

            let mut after = existing;
            after.retain(|it| !plan.superfluous.contains(it));
            let ids = 100_u64..;
            after.extend(plan.lacking.iter().zip(ids).map(|(topic, id)| made(topic, id, &endpoint)));
            let again = Plan::new(topics.clone(), after, &api(), &endpoint);
            prop_assert!(again.lacking.is_empty() && again.superfluous.is_empty(), "{:?}", again);
            prop_assert_eq!(again.standing.len(), topics.len());
            prop_assert_eq!(again.others, plan.others);
        }
    }

    #[test]
    fn of_two_alike_the_one_that_delivers_is_kept() {
        let topic = Topic {
            app: "ttd/a".parse().unwrap(),
            kind: Kind::Completed,
        };
        let endpoint = ours(SECRETS[0]);
        let delivers = made(&topic, 2, &endpoint);
        let silent = Subscription {
            validated: false,
            ..made(&topic, 1, &endpoint)
        };
        let plan = Plan::new(
            vec![topic.clone()],
            vec![silent.clone(), delivers.clone()],
            &api(),
            &endpoint,
        );
        assert_eq!(plan.standing, [(topic, delivers)]);
        assert_eq!(plan.superfluous, [silent]);
    }
}
