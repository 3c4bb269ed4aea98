package config

import "fmt"

// didYouMean is a hint at the candidate that is nearest to text, "" where none is near.
func didYouMean(text string, candidates []string) string {
	if best := nearest(text, candidates); best != "" {
		return fmt.Sprintf("did you mean %s?", best)
	}
	return ""
}

// nearest returns the candidate that takes the fewest edits to reach from text, at most one for each
// three letters and at least two; "" where there is none. Of equals the first is taken.
func nearest(text string, candidates []string) string {
	best, least := "", max(2, len(text)/3)+1
	for _, c := range candidates {
		if max(len(text)-len(c), len(c)-len(text)) >= least {
			continue // so many insertions alone are too far
		}
		if d := edits(text, c); d < least && d < max(len(text), len(c)) {
			best, least = c, d
		}
	}
	return best
}

// edits is the optimal string alignment distance: insertions, deletions, replacements and swaps of
// neighbours that lead from a to b.
func edits(a, b string) int {
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
