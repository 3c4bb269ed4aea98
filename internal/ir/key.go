package ir

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"reflect"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// AppendKey appends a canonical form of v, a value of this package, to b. It contains everything in v except the
// origins. So two values with equal keys mean the same behaviour and encode to the same bytes, wherever in the
// documents they come from.
//
// It panics on a type that it does not support, such as a map.
func AppendKey(b []byte, v any) []byte { return appendKey(b, reflect.ValueOf(v)) }

var (
	originType   = reflect.TypeFor[mesh.Origin]()
	addrType     = reflect.TypeFor[netip.Addr]()
	addrPortType = reflect.TypeFor[netip.AddrPort]()
)

func appendKey(b []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.String:
		b = binary.AppendUvarint(b, uint64(v.Len()))
		return append(b, v.String()...)
	case reflect.Bool:
		if v.Bool() {
			return append(b, 1)
		}
		return append(b, 0)
	case reflect.Int, reflect.Int64:
		return binary.AppendVarint(b, v.Int())
	case reflect.Uint32:
		return binary.AppendUvarint(b, v.Uint())
	case reflect.Pointer:
		if v.IsNil() {
			return append(b, 0)
		}
		return appendKey(append(b, 1), v.Elem())
	case reflect.Slice:
		if v.Type().Elem() == originType {
			return b
		}
		b = binary.AppendUvarint(b, uint64(v.Len()))
		for i := range v.Len() {
			b = appendKey(b, v.Index(i))
		}
		return b
	case reflect.Struct:
		return appendStructKey(b, v)
	default:
		panic(fmt.Sprintf("ir: a key of a %s", v.Type()))
	}
}

func appendStructKey(b []byte, v reflect.Value) []byte {
	switch v.Type() {
	case originType:
		return b
	case addrType, addrPortType:
		text := v.Interface().(fmt.Stringer).String()
		b = binary.AppendUvarint(b, uint64(len(text)))
		return append(b, text...)
	}
	for i := range v.NumField() {
		b = appendKey(b, v.Field(i))
	}
	return b
}
