// Package suggest finds the name that was most likely meant by a name that does not exist. It is the only place that
// decides how near two names are.
package suggest

import "fmt"

// DidYouMean returns the hint "did you mean NAME?" with the nearest candidate, or "" if none is near.
func DidYouMean(text string, candidates []string) string {
	if best := Nearest(text, candidates); best != "" {
		return fmt.Sprintf("did you mean %s?", best)
	}
	return ""
}

// Nearest returns the candidate that takes the fewest edits to reach from text, or "" if none is near. The
// limit is one edit for each three bytes of text, and at least two. The first of several equally near
// candidates is returned.
func Nearest(text string, candidates []string) string {
	best, least := "", max(2, len(text)/3)+1
	for _, c := range candidates {
		if max(len(text)-len(c), len(c)-len(text)) >= least {
			continue // the difference in length alone takes too many edits
		}
		if d := distance(text, c); d < least && d < max(len(text), len(c)) {
			best, least = c, d
		}
	}
	return best
}

// distance is the optimal string alignment distance from a to b: the number of insertions, deletions,
// replacements and swaps of neighboring bytes.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
