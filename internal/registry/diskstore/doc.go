// Package diskstore keeps the registry's instances, and operators' orders about them, in one file on the server's own disk,
// as a log of changes that is rewritten now and then.
//
// The file, instances.log, begins with the line "doyen instances 3"; the number is the
// version of the format. Older files are read and written anew: those of format 1 have no incarnations, and those of
// format 2 no networks, no orders and no goodbyes. Frames follow, one for each Save:
//
//	mark      4 bytes  ff 64 79 fe; no byte of it can stand in the JSON below
//	length    4 bytes  of the changes, little endian
//	checksum  4 bytes  CRC-32C of length and changes, little endian
//	changes            JSON, a list: an instance, or its key and "gone": true, with the
//	                   incarnation that said goodbye as "departed"; both with an order about
//	                   it if there is one
//
// A frame is on the disk before Save returns. What a crash or the loss of power leaves of
// a frame that was being written stands at the end of the file and was never answered for:
// it is cut off when the file is opened, kept beside it, and reported. Damage anywhere else
// is an error, for what stands behind it would be lost in silence.
//
// When the log has grown to twice what it must hold, it is written anew beside the old one
// and takes its name. A write that fails, because the disk is full for example, is taken
// back, and the file stays as it was. After a flush that fails nobody knows what is on the
// disk (the kernel may have dropped the pages): the file is written anew before the next
// change.
//
// Its one invariant: the file on the disk holds everything that a Save has returned for.
package diskstore
