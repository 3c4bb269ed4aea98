package diskstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

const (
	// format is the version of the file that this package writes. It reads versions from oldest on.
	format   = 3
	oldest   = 1 // without incarnations
	preamble = "doyen instances "

	frameHead = 12
	// maxFrame is the size of the largest frame, in bytes: MaxBatch instances at the registry's limits need less than
	// half of it.
	maxFrame = 16 << 20
)

var (
	mark       = []byte{0xff, 'd', 'y', 0xfe}
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// header is the first line of the file.
func header() []byte { return fmt.Appendf(nil, "%s%d\n", preamble, format) }

// appendFrame appends changes as a frame.
func appendFrame(to, changes []byte) []byte {
	var length [4]byte
	binary.LittleEndian.PutUint32(length[:], uint32(len(changes)))
	to = append(append(to, mark...), length[:]...)
	to = binary.LittleEndian.AppendUint32(to, checksum(length[:], changes))
	return append(to, changes...)
}

func checksum(length, changes []byte) uint32 {
	return crc32.Update(crc32.Checksum(length, castagnoli), castagnoli, changes)
}

// isCurrent reports whether content begins with the header that this package writes.
func isCurrent(content []byte) bool { return bytes.HasPrefix(content, header()) }

// firstFrame returns the changes of the frame at the start of text, and what follows it.
func firstFrame(text []byte) (changes, rest []byte, ok bool) {
	if len(text) < frameHead || !bytes.HasPrefix(text, mark) {
		return nil, text, false
	}
	length := binary.LittleEndian.Uint32(text[4:8])
	if length > maxFrame || int(length) > len(text)-frameHead {
		return nil, text, false
	}
	end := frameHead + int(length)
	if checksum(text[4:8], text[frameHead:end]) != binary.LittleEndian.Uint32(text[8:12]) {
		return nil, text, false
	}
	return text[frameHead:end], text[end:], true
}

// hasFrame reports whether text contains a whole frame.
func hasFrame(text []byte) bool {
	for {
		at := bytes.Index(text, mark)
		if at < 0 {
			return false
		}
		text = text[at:]
		if _, _, ok := firstFrame(text); ok {
			return true
		}
		text = text[1:]
	}
}

// frames parses the content of a file: it returns the changes of every whole frame, in order, and the number of bytes
// up to the end of the last one. The bytes after that are the rest of a frame that was being written. Damage before
// it is an error.
func frames(content []byte) (changes [][]byte, end int, err error) {
	rest, err := afterHeader(content)
	for err == nil && len(rest) > 0 {
		frame, next, ok := firstFrame(rest)
		if !ok {
			break
		}
		changes, rest = append(changes, frame), next
	}
	end = len(content) - len(rest)
	if err == nil && len(rest) > 0 && hasFrame(rest[1:]) {
		err = fmt.Errorf("it is damaged from byte %d on, and whole changes stand behind the damage", end)
	}
	return changes, end, err
}

// afterHeader checks the first line.
func afterHeader(content []byte) ([]byte, error) {
	line, rest, found := bytes.Cut(content[:min(len(content), 64)], []byte("\n"))
	number, ours := strings.CutPrefix(string(line), preamble)
	version, err := strconv.Atoi(number)
	switch {
	case !found || !ours || err != nil:
		return content, fmt.Errorf("it does not begin with %q", header())
	case version < oldest || version > format:
		return content, fmt.Errorf("it has format %d, and this doyen knows %d to %d only", version, oldest, format)
	}
	return content[min(len(content), 64)-len(rest):], nil
}
