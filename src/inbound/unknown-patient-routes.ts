import * as z from 'zod'
import type { Reference } from '#core/resource.ts'
import { bodySchema } from '#flows/body-schema.ts'
import type { UnknownPatients } from '#intake/unknown-patients.ts'
import type { Route } from './http.ts'
import { bodyOf, gated, type IntegratorPorts, json } from './integrator-request.ts'

const path = '/ingest/unknown-patients'
const line = z.string().min(1).max(200)
const answer = z
  .strictObject({
    system: line,
    value: line,
    /** `null`: the patient is new here. */
    patient: z
      .string()
      .regex(/^Patient\/[A-Za-z0-9.-]{1,64}$/)
      .nullable(),
  })
  .transform(({ patient, ...number }) => ({
    ...number,
    patient: (patient ?? undefined) as Reference | undefined,
  }))

/** Numbers of patients whom nobody knows, and their answers (docs/mapping.md), for whoever runs the clinic. */
export function unknownPatientRoutes(
  options: IntegratorPorts & { unknownPatients: UnknownPatients },
): Route[] {
  const { unknownPatients } = options
  return [
    {
      policy: 'token',
      method: 'GET',
      path,
      described: { summary: 'Numbers that no patient has, and how many messages wait for them' },
      answer: async (request) =>
        json(200, await unknownPatients.waiting(await gated(options, request, 'read'))),
    },
    {
      policy: 'token',
      method: 'POST',
      path,
      described: {
        summary: 'Say whose a number is, or that the patient is new here; what waits for it goes on',
        takes: { type: 'application/json', name: 'number-answer', schema: () => bodySchema(answer) },
      },
      async answer(request) {
        const by = await gated(options, request, 'update')
        return json(200, await unknownPatients.answer(await bodyOf(options, request, answer), by))
      },
    },
  ]
}
