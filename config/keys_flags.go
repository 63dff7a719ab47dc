package config

// flagShape is what the file may say of a flag.
func flagShape() shape {
	by := func(strategy Strategy) shown {
		return append(required("strategy"), shownField{"properties", shown{{"strategy", shown{{"const", string(strategy)}}}}})
	}
	return mapping(flagFileKeys).called("flag").demanding(
		shownField{"allOf", []any{
			shown{{"if", by(ByPercentage)}, {"then", required("value")}, {"else", forbidden("value", "rollout")}},
			shown{{"if", by(ForUsers)}, {"then", shown{{"anyOf", []any{required("users"), required("targeting")}}}}},
		}},
		shownField{"dependencies", shown{
			{"variants", []string{"off_variant"}}, {"off_variant", []string{"variants"}}, {"weights", []string{"variants"}},
		}},
	)
}

func flagFileKeys() []key {
	// What all variants of one flag have in common no schema can say.
	value := shape{kind: anyKind, more: shown{{"type", []string{"boolean", "string", "number", "object"}}}}
	user := text("")
	user.limits.most = maxUserKey
	salt := text("")
	salt.limits.most = 128
	target := mapping(func() []key {
		return []key{
			describe("when", conditionShape(), "Which users, by what an application tells of them.").must("{attribute: plan, in: [pro]}"),
			describe("variant", text(""), "What they get; without it they are split like everybody who has the flag.").as("on"),
			describe("value", number(percentBounds), "Percent of those who match; the others get off_variant.").or("100").as("50"),
		}
	})
	return []key{
		describe("strategy", words(ForNone, ForAll, ForUsers, ByPercentage), "Who has the flag.").must(string(ForAll)),
		describe("value", number(percentBounds), "Percent of the users, with strategy percentage; at most two decimals."),
		describe("users", set(user, 0, MaxFlagUsers), "Who has it whatever the percentage.").as("[user_alice]"),
		describe("variants", named("VARIANT", namePattern, value, 2, maxVariants), "Values of one type, by name; without them on is true and off is false."),
		describe("off_variant", text(""), "The variant of those who do not have the flag."),
		describe("weights", named("VARIANT", "", whole(0, maxVariantWeight), 0, 0), "How those who have it are split; a single variant needs none."),
		describe("salt", salt, "Hashed before the user in place of the flag's name.").as("spring"),
		describe("targeting", list(target, 0, maxFlagRules), "Variants by what is known of a user, the first that matches.").as("[{when: {attribute: plan, in: [pro]}}]"),
		describe("rollout", flagRolloutShape(), "The judge moves the percentage; keys as in a service's rollout.").as("{service: web, steps: [25, 50]}"),
	}
}

func conditionShape() shape {
	var forms, ways []any
	dependencies := shown{}
	for _, form := range []string{"all", "any", "flag"} {
		forms = append(forms, required(form))
	}
	for _, way := range []string{"equals", "in", "prefix", "suffix", "semver"} {
		ways = append(ways, required(way))
		dependencies = append(dependencies, shownField{way, []string{"attribute"}})
	}
	forms = append(forms, append(required("attribute"), shownField{"oneOf", ways}))
	return mapping(conditionKeys).called("condition").demanding(shownField{"oneOf", forms}, shownField{"dependencies", dependencies})
}

func conditionKeys() []key {
	scalar := shape{kind: anyKind, more: shown{{"type", []string{"string", "number", "boolean"}}}}
	// A shape that contains itself is made when somebody asks for it.
	several := func() shape {
		inner := shape{kind: mappingKind, ref: "condition", keys: conditionKeys}
		return list(inner, 1, 0)
	}
	const comparison = `(=|!=|<|<=|>|>=|\^|~)?v?[0-9]\S*`
	attribute := text("")
	attribute.limits.most = maxUserKey
	return []key{
		describe("all", several(), "Conditions that all hold.").as("[{attribute: plan, equals: pro}]"),
		describe("any", several(), "Conditions of which one holds.").as("[{attribute: plan, equals: pro}]"),
		describe("flag", text(""), "Another flag that the user has.").as("new-checkout"),
		describe("attribute", attribute, "A value of the context, compared in one way.").as("plan"),
		describe("equals", scalar, "It is this value."),
		describe("in", list(scalar, 1, 0), "It is one of these values."),
		describe("prefix", text(""), "It begins so."),
		describe("suffix", text(""), "It ends so."),
		describe("semver", text(`^\s*`+comparison+`(\s+`+comparison+`)*\s*$`), `It is a version in a range: ">=2.1.0 <3.0.0", "^2.1", "~2.1.3".`),
	}
}
