package secrets

import "testing"

// BenchmarkLook looks at a pair of files that do not change, as the agent does five times a second.
func BenchmarkLook(b *testing.B) {
	folder := b.TempDir()
	newCertificate(b).write(b, folder)
	s := newSecret(pairIn(b, folder))
	now := s.readAt
	s.look(now)
	s.look(now)
	for b.Loop() {
		s.look(now)
	}
}
