package config

// notJSON is the reason for files that no editor could hand to a validator.
const notJSON = "it is no JSON"

// beyondSchema are the broken files about which a schema has nothing to say, by the reason. Those that it begins
// to refuse have to leave the list.
var beyondSchema = map[string][]string{
	notJSON: {
		"alias_bomb", "alias_cycle", "alias_without_anchor", "duplicate_key", "file_not_utf8", "flag_value_nan",
		"key_not_text", "many", "syntax_bare_wildcard", "syntax_bracket", "syntax_control_character", "syntax_indent",
		"syntax_quote", "syntax_tab",
	},
	"how YAML is written: words, tags and numbers that readers of JSON never see": {
		"bare_no_in_list", "bare_on_key", "flag_off_bare", "merge_key", "tag", "tag_custom", "weights_octal",
		"file_two_documents", "syntax_second_document",
	},
	"a name that has to be elsewhere in the file": {
		"flag_off_unknown", "flag_reference_circle", "flag_reference_costly", "flag_reference_itself",
		"flag_reference_missing", "flag_rollout_no_service", "flag_target_variant", "flag_weights_off",
		"flag_weights_unknown", "listener_pool", "listener_pool_role", "rule_flag_unknown", "rule_to_pool",
		"rule_when_flag", "seed_flag_unknown", "service_flags_unknown", "sticky_seed_flag", "weights_pool",
	},
	"what other keys say": {
		"admin_address_listener", "admin_address_no_loopback", "admin_address_open", "check_all_observe",
		"check_too_many", "check_version_quoted", "check_within_deadline", "defaults_rule_without_key",
		"flag_rollout_deadline", "flag_users_nobody", "health_grpc_target",
		"listener_address_admin", "listener_address_twice", "outbound_denied", "outbound_denied_everywhere",
		"rollout_bake_holdback_last_step", "rollout_deadline_short_form", "rollout_deadline_step",
		"rollout_deadline_steps", "rollout_errors_nothing_allowed", "rollout_no_version", "rollout_one_pool",
		"rollout_preset_deadline", "routes_conflict", "routes_conflict_any_host", "rule_flag_without_key",
		"rule_role_one_pool", "rule_role_three_pools", "rule_users_without_key", "seed_flag_three_pools",
		"flag_weights_missing", "weights_missing",
	},
	"a need that the defaults may fill": {
		"pool_targets_missing", "pools_missing", "rollout_no_pools", "rollout_bake_missing",
	},
	"sums, decimals and order": {
		"flag_weights_empty", "flag_weights_zero", "weights_empty", "weights_sum_high", "weights_sum_low",
		"weights_decimals", "flag_value_decimals", "rollout_steps_hundred_twice", "rollout_steps_order", "flag_rollout_steps",
		"rollout_steps_twice", "rollout_preset_decimals", "sticky_issue_not_last", "sticky_issue_twice",
		"flag_variants_types",
	},
	"twice in another spelling, or by one of its keys": {
		"hosts_twice", "paths_twice", "rule_header_twice", "sticky_source_twice", "target_twice", "token_name_twice",
	},
	"sizes of several things together": {
		"defaults_too_many", "flag_conditions_many", "flag_variants_long", "rollout_preset_many", "routes_too_many",
	},
	"how long a duration is": {
		"duration_long", "duration_overflow", "health_every", "rollout_bake_long", "rollout_deadline_long",
		"rollout_preset_short", "rollout_preset_time", "rollout_preset_weight", "rollout_slow_over",
	},
	"more of an address or word than a pattern should say": {
		"flag_semver_huge", "health_status", "host_ipv6", "host_port", "host_word", "hosts_ip", "hosts_label",
		"listener_address_host", "listener_address_port", "override_from", "paths_dots", "target_host",
		"target_link_local", "target_multicast", "target_port", "target_unspecified", "trust_proxies_host_bits",
		"trust_proxies_mapped",
	},
}
