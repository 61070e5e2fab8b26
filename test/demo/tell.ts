const colours = process.stdout.isTTY === true
const paint = (code: number) => (text: string) => (colours ? `\x1b[${code}m${text}\x1b[0m` : text)
const bold = paint(1)
const dim = paint(2)
const green = paint(32)
const red = paint(31)

let chapter = 0

/** A numbered step of the story. */
export function step(title: string): void {
  chapter += 1
  line(`\n${bold(`${chapter}. ${title}`)}`)
}

export function line(text = ''): void {
  process.stdout.write(`${text}\n`)
}

export function note(text: string): void {
  line(`   ${dim(text)}`)
}

/** Something that came in, went out or was read. */
export function arrow(from: string, to: string, what: string): void {
  line(`   ${from} ${dim('→')} ${to}: ${what}`)
}

export function good(text: string): void {
  line(`   ${green('✓')} ${text}`)
}

export function refused(text: string): void {
  line(`   ${red('✗')} ${text}`)
}

/** HL7 v2 segments as they were, a line each, long ones cut. */
export function segments(message: string): void {
  for (const segment of message.split('\r').filter(Boolean)) {
    line(`     ${dim(segment.length > 150 ? `${segment.slice(0, 150)}…` : segment)}`)
  }
}

/** Stops the demo when what it promises is not so. */
export function require(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(`The demo does not hold: ${what}`)
}
