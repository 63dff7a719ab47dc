// Package simulate plays the rollout of a service against made-up traffic, in virtual time and many
// times over, with the judge and the rules that a server uses. It answers what a plan will do with a
// good and with a bad candidate before any user meets one.
//
// It owns the traffic: how many requests come, which fail and how long they take. It asks no clock and
// opens no connection, and a seed decides all chance. It does not print, and it has no rules of its own
// about steps and verdicts.
package simulate
