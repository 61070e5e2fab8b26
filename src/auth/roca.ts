/**
 * The fingerprint of Infineon's faulty key generation (CVE-2017-15361, "The Return of Coppersmith's Attack", §3): every
 * prime it makes, and so every modulus, is a power of 65537 modulo each of the first small primes. An honest modulus
 * passes by chance less than once in 2^27.
 */
const generator = 65_537
const smallPrimes = [
  3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107,
  109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
]

const powers = smallPrimes.map((prime) => {
  const reached = new Set<number>()
  for (let power = 1; !reached.has(power); power = (power * generator) % prime) reached.add(power)
  return { prime: BigInt(prime), reached }
})

export function isRocaModulus(modulus: bigint): boolean {
  return powers.every(({ prime, reached }) => reached.has(Number(modulus % prime)))
}
