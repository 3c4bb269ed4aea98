package agent

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/agent/lease"
	"github.com/doyen-mesh/doyen/internal/agent/state"
	"github.com/doyen-mesh/doyen/internal/agent/supervisor"
)

// errStarting says that an agent cannot be replaced before its programs run: what follows could not know what is left
// to be done.
var errStarting = errors.New("the agent is still starting: try again when it is done")

// untilSettled returns ctx. If programs run already, it is a context that does not end by itself: an agent that is asked
// to end has to take them over first, so that they end in order.
func (o Options) untilSettled(ctx context.Context) (context.Context, context.CancelFunc) {
	if o.Succession != nil && o.Succession.Inherited != nil {
		ctx = context.WithoutCancel(ctx)
	}
	return context.WithCancel(ctx)
}

// obey ends ctx, which untilSettled returned, once the agent was asked to end and has taken over what runs. stop undoes
// that.
func (i *instance) obey(asked, ctx context.Context, end context.CancelFunc) (stop func() bool) {
	return context.AfterFunc(asked, func() {
		if _, ok := i.started.wait(ctx); ok {
			end()
		}
	})
}

// isSettled returns why the agent cannot be replaced yet.
func (i *instance) isSettled() error {
	for _, known := range []<-chan struct{}{i.member.known, i.started.known} {
		select {
		case <-known:
		default:
			return errStarting
		}
	}
	return isReplacing(i.member.value.envoy)
}

// isReplacing is an error while an Envoy that was replaced still runs: nobody would see its end.
func isReplacing(e *supervisor.Envoy) error {
	if e != nil && e.IsReplacing() {
		return errors.New("the envoy before is still draining: try again when it has ended")
	}
	return nil
}

// keep returns what the agent hands over. Its parts must have let go.
func (i *instance) keep() kept {
	m, s := i.member.value, &i.host.succession
	service := m.plan.service
	service.Instances = api.Instances{}
	k := kept{
		State:  state.Agent{Service: &service, Ports: m.ports, Address: i.Address, Node: i.node},
		Member: &keptMember{Stranger: i.started.value, Manifest: &m.manifest, Conditions: m.conditions.Keep()},
	}
	if app := s.give(i.app.Released(), applicationOutput); app != nil {
		k.Member.Application = *app
	}
	if m.envoy != nil {
		k.Envoy = s.giveEnvoy(m.envoy.Released())
	}
	if m.lease != nil {
		known := m.lease.Keep()
		k.Member.Lease = &known
	}
	return k
}

// resume makes the instance the member of the mesh that it was before its agent's program was replaced.
func (i *instance) resume() error {
	k := i.host.succession.inherited
	if k == nil {
		return nil
	}
	if k.Member == nil || k.State.Service == nil {
		return fmt.Errorf("handover: it has no instance of a service")
	}
	return i.join(*k.State.Service)
}

// resumeMember gives a member what the program before has handed over.
func (i *instance) resumeMember(m *member) (err error) {
	k := i.host.succession.inherited
	if k == nil {
		return nil
	}
	if m.envoy != nil {
		if m.envoy.Inherited, err = i.host.succession.takeEnvoy(k.Envoy); err != nil {
			return err
		}
	}
	if m.lease != nil && k.Member.Lease != nil {
		m.lease = lease.Resume(m.registry, *k.Member.Lease, i.Log)
	}
	m.conditions.Resume(k.Member.Conditions)
	if manifest := k.Member.Manifest; manifest != nil && !reflect.DeepEqual(*manifest, m.manifest) {
		m.manifest = *manifest
		p, err := m.plan.follow(i.Options, m.manifest)
		if err != nil {
			return err
		}
		m.health.Replace(p.prober)
	}
	return nil
}

// inheritApplication makes app the application that runs, if one does, and returns what was at its ports before it was
// started.
func (i *instance) inheritApplication(app *supervisor.Application) (found stranger, err error) {
	k := i.host.succession.inherited
	if k == nil {
		return "", nil
	}
	app.Inherited, err = i.host.succession.take(&k.Member.Application, applicationOutput)
	return k.Member.Stranger, err
}
