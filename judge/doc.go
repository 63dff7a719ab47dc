// Package judge decides whether a candidate may get more traffic, must be rolled back, or has to wait.
//
// A window of counts goes into a Trial, a Verdict comes out. Every window is a bet against the claim
// under test, and the product of the bets' returns is the evidence. A bet that cannot win on average
// while the claim is true makes the evidence a nonnegative supermartingale, so the chance that it ever
// reaches 1/alpha is at most alpha (Ville 1939), however often anybody looks.
//
// There are two claims. "The candidate is within the tolerance" is tested over the whole rollout by all
// checks together at one alpha; when it falls, the candidate is rolled back. "The candidate is at or
// beyond the tolerance" is tested anew in each step by each check at beta; when it has fallen for every
// check, the step may be promoted.
//
// The package is pure: no clock, no chance, no input or output, no logging. Observe and Verdict do not
// allocate. Nothing here is safe for concurrent use; the values are plain and may be copied. It does
// not collect counts, act on a verdict, or know steps, deadlines and people.
package judge
