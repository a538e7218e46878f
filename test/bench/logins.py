# Runs inside the lab: times each way in turn, round by round, and prints JSON. Usage: logins.py PLAN.json
import json, os, statistics, subprocess, sys, time, urllib.request
from concurrent.futures import ThreadPoolExecutor

plan = json.load(open(sys.argv[1]))
tick = 1000 / os.sysconf('SC_CLK_TCK')


def token(user):
    request = urllib.request.Request(plan['control'] + '/mintToken', json.dumps({'user': user}).encode())
    return json.load(urllib.request.urlopen(request))['result']


# The processors' time of these processes, and of their children that have ended: proc_pid_stat(5), in milliseconds.
def spent(pids):
    total = 0
    for pid in pids:
        try:
            fields = open(f'/proc/{pid}/stat').read().rsplit(')', 1)[1].split()
            total += sum(int(field) for field in fields[11:15])
        except FileNotFoundError:
            pass
    return total * tick


def once(way):
    env = dict(way.get('env', {}), PATH='/usr/sbin:/usr/bin:/sbin:/bin')
    stdin = b''
    if 'token' in way:
        value = token(way['token'])
        env['OB_TOKEN'] = value
        stdin = value.encode() + b'\n'
    since = time.perf_counter()
    ran = subprocess.run(way['argv'], env=env, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    took = (time.perf_counter() - since) * 1000
    if ran.returncode != 0:
        raise SystemExit(f"{way['name']}: ended with {ran.returncode}: {ran.stdout.decode()[-500:]}")
    return took


def series(ways, rounds):
    samples = {way['name']: [] for way in ways}
    cpu = {way['name']: 0 for way in ways}
    for way in ways:
        prepare(way)
        once(way)
    for number in range(rounds):
        order = ways[number % len(ways):] + ways[:number % len(ways)]
        for way in order if number % 2 == 0 else order[::-1]:
            prepare(way)
            before = spent(way.get('servers', []))
            samples[way['name']].append(once(way))
            if way.get('servers'):
                time.sleep(0.05)
            cpu[way['name']] += spent(way.get('servers', [])) - before
    return [
        {'name': way['name'], 'ms': statistics.median(samples[way['name']]), 'cpu': cpu[way['name']] / rounds}
        for way in ways
    ]


def prepare(way):
    if 'before' in way:
        subprocess.run(way['before'], shell=True, check=True)


# So many at once, until all are through: how many a second.
def beside(way, wide, count):
    prepare(way)
    since = time.perf_counter()
    with ThreadPoolExecutor(wide) as pool:
        list(pool.map(lambda _: once(way), range(count)))
    return {'name': way['name'], 'perSecond': count / (time.perf_counter() - since)}


# Processes that wait for a silent portal: the memory that they and the daemon take, in MB each.
def waiting(way, count, servers):
    prepare(way)
    before = memory(servers)
    env = dict(way['env'], PATH='/usr/sbin:/usr/bin')
    children = [
        subprocess.Popen(way['argv'], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) for _ in range(count)
    ]
    time.sleep(4)
    total = memory([child.pid for child in children]) + memory(servers) - before
    for child in children:
        child.kill()
        child.wait()
    return {'name': way['name'], 'mb': total / count}


def memory(pids):
    total = 0
    for pid in pids:
        try:
            for line in open(f'/proc/{pid}/smaps_rollup'):
                if line.startswith('Pss:'):
                    total += int(line.split()[1]) / 1024
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total


result = []
for step in plan['steps']:
    kind = step['kind']
    if kind == 'series':
        result.append(series(step['ways'], step['rounds']))
    elif kind == 'beside':
        result.append([beside(way, step['wide'], step['count']) for way in step['ways']])
    else:
        result.append([waiting(way, step['count'], way.get('servers', [])) for way in step['ways']])
print(json.dumps(result))
