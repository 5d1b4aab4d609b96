# SPDX-License-Identifier: GPL-2.0-or-later
"""The cases of run.py: name -> model, macros. M_... plants a mistake, to be refuted."""

CONT = "-DCONT "
STOP = "-DSTOP "
WITNESS = "-DWITNESS "
QUIET = "-DREBOOT=0 -DDEATH=0 "

SMALL = "-DLEASE=1 "
ALONE = "-DLEASE=1 -DALONE=2 -DMAXC=3 -DREBOOT=0 "
DRIFT = "-DLEASE=1 -DDRIFT=1 "

# One node serves again, and stands by, once faults end.
LIVE = "-DCOARSE -DHELLO=1 "
LONE = LIVE + "-DLONE "
DEFAULT = "-DLEASE=4 -DLISTENED=3 -DPATIENCE=18 "  # 20 ms in intervals of 5 ms

SLICE = {
    # isolation: continue
    "continue": ("pair", CONT + "-DLEASE=1 -DSTART"),
    "continue-from-receipt": ("pair", CONT + QUIET + "-DM_FROM_RECEIPT"),
    "continue-renew-ended": ("pair", CONT + QUIET + "-DM_RENEW_ENDED"),
    "continue-no-withdraw": ("pair", CONT + QUIET + "-DM_NO_WITHDRAW"),
    "continue-read-first": ("pair", CONT + QUIET + "-DM_READ_FIRST"),
    "continue-grant-below-own": ("pair", CONT + QUIET + "-DM_GRANT_BELOW_OWN"),
    "continue-fence-forgotten": ("pair", CONT + QUIET + "-DM_FENCE_FORGOTTEN"),
    "continue-not-fenced": ("pair", CONT + QUIET + "-DM_CLAIM_DOES_NOT_FENCE"),
    "continue-stale-grant": ("pair", CONT + QUIET + "-DM_STALE_GRANT"),
    "continue-no-node-id": ("pair", CONT + "-DM_NO_NODE_ID"),
    "continue-no-listen": ("pair", CONT + "-DM_NO_LISTEN"),
    "continue-no-wait": ("pair", CONT + QUIET + "-DM_NO_WAIT"),
    "continue-no-drift": ("pair", CONT + QUIET + DRIFT + "-DM_NO_DRIFT"),
    "continue-one-drift": ("pair", CONT + QUIET + DRIFT + "-DM_ONE_DRIFT"),
    # isolation: stop
    "stop": ("pair", STOP + QUIET + "-DLEASE=1 -DSTART"),
    "stop-no-standing": ("pair", STOP + QUIET + "-DLEASE=1 -DM_NO_STANDING"),
    "stop-standing-not-waited": ("pair", STOP + ALONE + "-DM_STANDING_NOT_WAITED"),
    "stop-renew-bound": ("pair", STOP + QUIET + "-DLEASE=1 -DALONE=2 -DM_RENEW_BOUND"),
    "stop-adopt-promise": ("pair", STOP + ALONE + "-DM_ADOPT_PROMISE"),
    # witness
    "witness": ("pair", WITNESS + QUIET + SMALL + "-DSTART"),
    "witness-renew-alone": ("pair", WITNESS + QUIET + SMALL + "-DALONE=2 -DM_RENEW_ALONE"),
    "witness-not-asked": ("pair", WITNESS + QUIET + "-DLEASE=1 -DM_CLAIM_WITHOUT_WITNESS"),
    "witness-forgets": ("pair", WITNESS + QUIET + SMALL + "-DM_WITNESS_FORGETS"),
    "witness-grants-two": ("pair", WITNESS + QUIET + SMALL + "-DM_WITNESS_GRANTS_TWO"),
    "witness-from-receipt": ("pair", WITNESS + QUIET + "-DM_WITNESS_FROM_RECEIPT"),
    "witness-no-listen": ("pair", WITNESS + "-DLEASE=1 -DM_NO_LISTEN"),
    # liveness
    "live-lone": ("live", CONT + LONE),
    "live-never-a": ("live", CONT + LIVE + "-DM_NEVER_A"),
    "live-never-b": ("live", CONT + LIVE + "-DM_NEVER_B"),
    "live-no-tie-break": ("live", CONT + LIVE + "-DM_NO_TIE_BREAK"),
    "live-listens-on": ("live", CONT + LIVE + "-DM_LISTENS_ON"),
    "live-overruled-stays": ("live", CONT + LIVE + "-DM_OVERRULED_STAYS"),
    "live-sign-is-hello": ("live", CONT + LIVE + "-DM_SIGN_IS_HELLO"),
    "live-request-once": ("live", CONT + LIVE + "-DM_REQUEST_ONCE"),
    "live-fence-too-high": ("live", CONT + LIVE + "-DM_FENCE_TOO_HIGH"),
    "live-failback-of-equals": ("live", CONT + LIVE + "-DFAILBACK=2 -DM_FAILBACK_OF_EQUALS"),
    "live-same-epoch": ("live", CONT + LONE + "-DM_SAME_EPOCH"),
    "live-waits-for-promise": ("live", CONT + LONE + "-DM_WAITS_FOR_PROMISE"),
    "live-planned-not-given-up": ("live", CONT + LONE + "-DM_PLANNED_NOT_GIVEN_UP"),
    "live-stop": ("live", STOP + LIVE + "-DSTANDING -DNEXT=1"),
    "live-stop-lone": ("live", STOP + LONE),
    "live-stop-promise-unsaid": ("live", STOP + LIVE + "-DSTANDING -DM_PROMISE_UNSAID"),
    "live-witness-holds": ("live", WITNESS + LONE + "-DM_WITNESS_HOLDS"),
    "live-witness-never-renews": ("live", WITNESS + LONE + "-DM_WITNESS_NEVER_RENEWS"),
    "live-refusal-ignored": ("live", WITNESS + LONE + "-DM_REFUSAL_IGNORED"),
    # memory order in one node's data path
    "race": ("race", ""),
    "race-no-barrier": ("race", "-DM_NO_BARRIER"),
    "race-not-max": ("race", "-DGRANTERS=2 -DM_NOT_MAX"),
    "race-decide-before-stamp": ("race", "-DM_DECIDE_BEFORE_STAMP"),
    "race-grant-read-first": ("race", "-DM_GRANT_READ_FIRST"),
    "race-plain-claim": ("race", "-DM_PLAIN_CLAIM"),
    "race-epoch-first": ("race", "-DM_EPOCH_FIRST"),
    "race-plain-extend": ("race", "-DM_PLAIN_EXTEND"),
    # joining, lineage, epochs on disk
    "join": ("join", ""),
    "join-foreign": ("join", "-DFOREIGN=1"),
    "join-rollback": ("join", "-DROLLBACK=1"),
    "join-blank-teaches": ("join", "-DM_BLANK_TEACHES"),
    "join-blank-claims": ("join", "-DM_BLANK_CLAIMS"),
    "join-role-first": ("join", "-DM_ROLE_FIRST"),
    "join-not-verified": ("join", "-DM_NOT_VERIFIED"),
    "join-newest-wins": ("join", "-DM_NEWEST_WINS"),
    "join-apply-unchecked": ("join", "-DM_APPLY_UNCHECKED"),
    "join-foreign-taken": ("join", "-DFOREIGN=1 -DM_FOREIGN_TAKEN -DM_NEWEST_WINS"),
    "epochs": ("join", "-DEPOCHS"),
    "epochs-reuse": ("join", "-DEPOCHS -DM_EPOCH_REUSE"),
    "epochs-reserve-late": ("join", "-DEPOCHS -DM_RESERVE_LATE"),
}

# Some are mistakes too, but take longer to find.
FULL = {
    "continue-2": ("pair", CONT + "-DLEASE=2"),
    "continue-3": ("pair", CONT + "-DLEASE=1 -DMAXC=3"),
    "continue-drift": ("pair", CONT + QUIET + "-DLEASE=1 -DDRIFT=1"),
    "stop-faults": ("pair", STOP + "-DLEASE=1 -DSTART"),
    "stop-alone": ("pair", STOP + "-DLEASE=1 -DALONE=2 -DREBOOT=0"),
    "stop-faults-3": ("pair", STOP + "-DLEASE=1 -DMAXC=3"),
    "stop-alone-3": ("pair", STOP + ALONE),
    "stop-2": ("pair", STOP + "-DLEASE=2"),
    "stop-drift": ("pair", STOP + QUIET + DRIFT),
    "witness-faults": ("pair", WITNESS + SMALL + "-DSTART"),
    "witness-2": ("pair", WITNESS + QUIET + "-DLEASE=2 -DMAXC=1"),
    "witness-drift": ("pair", WITNESS + QUIET + DRIFT + "-DMAXC=1"),
    "live-continue": ("live", CONT + LIVE),
    "live-continue-failback": ("live", CONT + LIVE + "-DFAILBACK=3"),
    "live-continue-3": ("live", CONT + LIVE + "-DNEXT=3"),
    "live-continue-default": ("live", CONT + LIVE + DEFAULT),
    "live-lone-default": ("live", CONT + DEFAULT + "-DLONE -DCOARSE -DHELLO=20 -DALONE=40"),
    "live-lone-every": ("live", CONT + DEFAULT + "-DLONE -DHELLO=2"),
    "live-continue-ltl": ("live", CONT + LIVE + "-DLTL"),
    "live-stop-any": ("live", STOP + LIVE),
    "live-stop-standing": ("live", STOP + LIVE + "-DSTANDING"),
    "live-stop-default": ("live", STOP + LIVE + DEFAULT + "-DSTANDING"),
    "live-stop-lone-every": ("live", STOP + DEFAULT + "-DLONE -DHELLO=2"),
    "live-witness": ("live", WITNESS + LIVE + "-DNEXT=1"),
    "live-witness-lone": ("live", WITNESS + LONE),
    "live-witness-cut": ("live", WITNESS + LIVE + "-DCUT -DNEXT=1"),
    "live-witness-mute": ("live", WITNESS + LIVE + "-DMUTE -DNEXT=1"),
    "live-stop-served-unseen": ("live", STOP + LIVE + "-DSTANDING -DM_SERVED_UNSEEN"),
    "live-witness-awaited": ("live", WITNESS + LIVE + "-DMUTE -DNEXT=1 -DM_WITNESS_AWAITED"),
    "live-ltl-listens-on": ("live", CONT + LIVE + "-DLTL -DM_LISTENS_ON"),
    "live-never-gives-up": ("live", STOP + LIVE + "-DM_CLAIM_ONCE -DM_NEVER_GIVES_UP"),
    "race-two": ("race", "-DGRANTERS=2"),
    "witness-no-drift": ("pair", WITNESS + QUIET + DRIFT + "-DMAXC=1 -DM_WITNESS_NO_DRIFT"),
    "stop-served-forgotten": ("pair", STOP + "-DLEASE=1 -DMAXC=3 -DREBOOT=0 -DM_SERVED_FORGOTTEN"),
}
