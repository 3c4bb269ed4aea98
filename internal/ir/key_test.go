package ir

import (
	"bytes"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// TestKeyHoldsEverythingButOrigins changes each part of a value, at any depth, and checks that its key changes.
func TestKeyHoldsEverythingButOrigins(t *testing.T) {
	for _, v := range []any{&Upstream{}, &VirtualHost{}, &Egress{}, &Tunnel{}, &Ingress{}, &EdgeListener{}, &Channel{}, &Endpoint{}} {
		root := reflect.ValueOf(v).Elem()
		fill(root)
		eachLeaf(root, root.Type().Name(), func(path string, leaf reflect.Value, inOrigin bool) {
			before, old := AppendKey(nil, root.Interface()), reflect.New(leaf.Type()).Elem()
			old.Set(leaf)
			change(leaf)
			if same := bytes.Equal(before, AppendKey(nil, root.Interface())); same != inOrigin {
				t.Errorf("%s has changed: the key is the same is %t, want %t", path, same, inOrigin)
			}
			leaf.Set(old)
		})
	}
}

func TestKeyTellsAbsentFromZero(t *testing.T) {
	empty := ""
	for _, pair := range [][2]any{
		{Upstream{}, Upstream{Limits: &Limits{}}},
		{Health{}, Health{GRPC: &empty}},
		{VirtualHost{Hosts: []string{"ab"}}, VirtualHost{Hosts: []string{"a", "b"}}},
		{VirtualHost{Hosts: []string{"a"}}, VirtualHost{Hosts: []string{"a", ""}}},
	} {
		if bytes.Equal(AppendKey(nil, pair[0]), AppendKey(nil, pair[1])) {
			t.Errorf("%+v and %+v have one key", pair[0], pair[1])
		}
	}
}

// fill gives every pointer a value and every slice one element.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Struct:
		if v.Type() == addrPortType {
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	}
}

func eachLeaf(v reflect.Value, path string, visit func(path string, leaf reflect.Value, inOrigin bool)) {
	switch {
	case v.Kind() == reflect.Pointer:
		eachLeaf(v.Elem(), path, visit)
	case v.Kind() == reflect.Slice:
		eachLeaf(v.Index(0), path+"[0]", visit)
	case v.Type() == originType:
		visit(path, v, true)
	case v.Kind() == reflect.Struct && v.Type() != addrPortType:
		for i := range v.NumField() {
			eachLeaf(v.Field(i), path+"."+v.Type().Field(i).Name, visit)
		}
	default:
		visit(path, v, false)
	}
}

func change(v reflect.Value) {
	switch old := v.Interface().(type) {
	case netip.AddrPort:
		v.Set(reflect.ValueOf(netip.MustParseAddrPort("10.0.0.1:80")))
		return
	case mesh.Origin:
		v.Set(reflect.ValueOf(mesh.Origin{File: "other.yaml", Line: 7}))
		return
	case time.Duration:
		v.SetInt(int64(old + time.Second))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Uint32:
		v.SetUint(v.Uint() + 1)
	default:
		v.SetInt(v.Int() + 1)
	}
}

func BenchmarkKey(b *testing.B) {
	u := Upstream{}
	fill(reflect.ValueOf(&u).Elem())
	buffer := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buffer = AppendKey(buffer[:0], u)
	}
}
